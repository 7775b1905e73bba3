/** The disk of the machine, through node:fs, which is the same on Bun, Deno and Node. */

import { constants } from 'node:fs'
import {
  type FileHandle,
  mkdir,
  open,
  readdir,
  unlink as remove,
  rename,
  stat,
} from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { codeOf, type Disk, type DiskEntry, type DiskFile } from './disk.ts'
import { lockFolder } from './folder-lock.ts'

export function createNodeDisk(): Disk {
  return {
    makeFolder,
    list,
    syncFolder,
    create: (path) => openFile(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL),
    open: (path) => openFile(path, constants.O_RDWR),
    remove,
    rename,
    lock: lockFolder,
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
    // A process that was killed may have made it and not synced; to look above it may be forbidden.
    return syncFolder(dirname(path)).catch(() => {})
  }
  await syncFolder(dirname(path))
}

async function list(folder: string): Promise<DiskEntry[]> {
  const names = await readdir(folder)
  const entries = await Promise.all(names.map((name) => describe(folder, name)))
  return entries.filter((entry) => entry !== undefined)
}

/** Undefined if it has gone since it was listed. */
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
  // Windows has no such call, and its file systems keep a journal of names.
  if (process.platform === 'win32') return
  const handle = await open(folder, constants.O_RDONLY)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function openFile(path: string, flags: number): Promise<DiskFile> {
  return new NodeFile(await open(path, flags, 0o600))
}

class NodeFile implements DiskFile {
  private readonly handle: FileHandle

  constructor(handle: FileHandle) {
    this.handle = handle
  }

  async size(): Promise<number> {
    return (await this.handle.stat()).size
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length)
    let done = 0
    while (done < length) {
      const { bytesRead } = await this.handle.read(bytes, done, length - done, offset + done)
      if (bytesRead === 0) break
      done += bytesRead
    }
    return bytes.subarray(0, done)
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    let done = 0
    while (done < bytes.length) {
      const left = bytes.length - done
      const { bytesWritten } = await this.handle.write(bytes, done, left, offset + done)
      done += bytesWritten
    }
  }

  truncate(size: number): Promise<void> {
    return this.handle.truncate(size)
  }

  sync(): Promise<void> {
    return this.handle.datasync()
  }

  close(): Promise<void> {
    return this.handle.close()
  }
}
