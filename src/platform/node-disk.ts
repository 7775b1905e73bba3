/** The machine's disk on node:fs, which works the same on Bun, Deno and Node. */

import { constants } from 'node:fs'
import {
  type FileHandle,
  mkdir,
  open,
  readdir,
  unlink as remove,
  rename,
  rmdir,
  stat,
} from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { codeOf, DiskError } from '../disk/disk.ts'
import type { Disk, DiskEntry, DiskFile } from '../runtime.ts'
import { type FileLock, lockFolder } from './folder-lock.ts'

/** @param lockFile the runtime's own flock(2); by default a program */
export function createNodeDisk(lockFile?: FileLock): Disk {
  return {
    makeFolder: (path) => withContext('make', path, makeFolder(path)),
    list: (folder) => withContext('list', folder, list(folder)),
    syncFolder: (folder) => withContext('sync', folder, syncFolder(folder)),
    create: (path) => withContext('create', path, openFile(path, CREATE)),
    open: (path) => withContext('open', path, openFile(path, constants.O_RDWR)),
    remove: (path) => withContext('remove', path, remove(path)),
    removeFolder: (path) => withContext('remove', path, removeFolder(path)),
    rename: (from, to) => withContext('rename', from, rename(from, to)),
    lock: (folder) => lockFolder(folder, lockFile),
  }
}

const CREATE = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL

/** Adds the operation and the path to an error: not every runtime does. */
async function withContext<Result>(
  operation: string,
  path: string,
  result: Promise<Result>,
): Promise<Result> {
  try {
    return await result
  } catch (error) {
    throw codeOf(error) === undefined ? error : new DiskError(operation, path, error)
  }
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, 0o700)
  } catch (error) {
    if (codeOf(error) === 'ENOENT' && dirname(path) !== path) {
      await makeFolder(dirname(path))
      return makeFolder(path)
    }
    if (codeOf(error) !== 'EEXIST') throw error
    // A killed process may have made it without syncing. The folder above may be unreadable.
    return syncFolder(dirname(path)).catch(() => {})
  }
  await syncFolder(dirname(path))
}

async function removeFolder(path: string): Promise<void> {
  try {
    await rmdir(path)
  } catch (error) {
    // Some systems say EEXIST for a folder that is not empty.
    throw codeOf(error) === 'EEXIST' ? Object.assign(error as Error, { code: 'ENOTEMPTY' }) : error
  }
}

async function list(folder: string): Promise<DiskEntry[]> {
  const names = await readdir(folder)
  const entries = await Promise.all(names.map((name) => describe(folder, name)))
  return entries.filter((entry) => entry !== undefined)
}

/** Undefined if the file has been removed since it was listed. */
async function describe(folder: string, name: string): Promise<DiskEntry | undefined> {
  try {
    const found = await stat(join(folder, name))
    return { name, bytes: found.size, isFolder: found.isDirectory() }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

async function syncFolder(folder: string): Promise<void> {
  // Windows cannot sync a folder; its file systems keep a journal of names.
  if (process.platform === 'win32') return
  const handle = await open(folder, constants.O_RDONLY)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function openFile(path: string, flags: number): Promise<DiskFile> {
  return new NodeFile(await open(path, flags, 0o600), path)
}

class NodeFile implements DiskFile {
  private readonly handle: FileHandle
  private readonly path: string

  constructor(handle: FileHandle, path: string) {
    this.handle = handle
    this.path = path
  }

  async size(): Promise<number> {
    return (await withContext('measure', this.path, this.handle.stat())).size
  }

  async read(offset: number, length: number, bytes = new Uint8Array(length)): Promise<Uint8Array> {
    let done = 0
    while (done < length) {
      const reading = this.handle.read(bytes, done, length - done, offset + done)
      const { bytesRead } = await withContext('read', this.path, reading)
      if (bytesRead === 0) break
      done += bytesRead
    }
    return bytes.subarray(0, done)
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    let done = 0
    while (done < bytes.length) {
      const left = bytes.length - done
      const writing = this.handle.write(bytes, done, left, offset + done)
      const { bytesWritten } = await withContext('write', this.path, writing)
      done += bytesWritten
    }
  }

  truncate(size: number): Promise<void> {
    return withContext('truncate', this.path, this.handle.truncate(size))
  }

  sync(): Promise<void> {
    return withContext('sync', this.path, this.handle.datasync())
  }

  close(): Promise<void> {
    return withContext('close', this.path, this.handle.close())
  }
}
