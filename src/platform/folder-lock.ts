/** Keeps a second process out of a folder, on runtimes without flock. */

import { readFile, stat, unlink, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { codeOf, LOCK_FILE } from '../disk/disk.ts'
import type { DiskLock } from '../runtime.ts'

export function lockFolder(folder: string): Promise<DiskLock> {
  return process.platform === 'linux' ? lockBySocket(folder) : lockByFile(folder)
}

/**
 * Listens on an abstract Unix socket. Its name is not in the file system, one process at a time can have it,
 * and the kernel frees it when the process ends.
 *
 * The name is the folder's device and inode, not its path: two containers on one network may mount different
 * volumes as `/data`, or one volume at two paths. Processes in different network namespaces do not see each
 * other's sockets, so they are not kept apart.
 */
async function lockBySocket(folder: string): Promise<DiskLock> {
  const { dev, ino } = await stat(folder, { bigint: true })
  const name = `influxdb-relay/${dev}:${ino}`
  const server = createServer((socket) => socket.destroy())
  try {
    await listen(server, `\0${name}`)
  } catch (error) {
    throw codeOf(error) === 'EADDRINUSE' ? locked(folder) : unlockable(folder, error)
  }
  server.unref()
  const release = () => new Promise<void>((resolve) => server.close(() => resolve()))
  if (!(await isHeldTwice(name))) return { release }
  await release()
  throw locked(folder)
}

/**
 * Whether two sockets have the name, with or without zeros at its end. Node 20 pads names with zeros, and to
 * the kernel those are different names. Its list shows a zero as `@`.
 */
async function isHeldTwice(name: string): Promise<boolean> {
  const sockets = await readFile('/proc/net/unix', 'latin1').catch(() => '')
  const listening = sockets.split('\n').filter((line) => line.includes(' 00010000 '))
  return listening.filter((line) => line.replace(/@+$/, '').endsWith(` @${name}`)).length > 1
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ path }, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

/** Lock files of this process. An earlier process may have had the same id. */
const own = new Set<string>()

/**
 * Writes the id of this process to a file. A file whose process has ended is replaced. If two processes find
 * such a file at the same moment, both may get the lock.
 *
 * Exported for tests: the platforms that use it are not tested on.
 */
export async function lockByFile(folder: string): Promise<DiskLock> {
  const path = join(folder, LOCK_FILE)
  const write = () => writeFile(path, String(process.pid), { flag: 'wx', mode: 0o600 })
  try {
    await write()
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw unlockable(folder, error)
    if (own.has(path) || isAlive(Number(await readFile(path, 'utf8')))) {
      throw locked(folder, ` (if it is not, remove ${path})`)
    }
    await unlink(path)
    await write()
  }
  own.add(path)
  return {
    async release() {
      own.delete(path)
      await unlink(path)
    },
  }
}

function isAlive(pid: number): boolean {
  if (pid === process.pid) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: it runs as another user.
    return codeOf(error) !== 'ESRCH'
  }
}

function locked(folder: string, advice = ''): Error {
  const error = new Error(`${folder} is in use by another process${advice}`)
  return Object.assign(error, { code: 'EBUSY' })
}

function unlockable(folder: string, cause: unknown): Error {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return Object.assign(new Error(`cannot lock ${folder}: ${reason}`, { cause }), {
    code: codeOf(cause),
  })
}
