/** One process to a folder, on runtimes that have no flock. */

import { readFile, stat, unlink, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { codeOf, LOCK_FILE } from '../disk/disk.ts'
import type { DiskLock } from '../runtime.ts'

export function lockFolder(folder: string): Promise<DiskLock> {
  return process.platform === 'linux' ? lockBySocket(folder) : lockByFile(folder)
}

/**
 * Listens on an abstract Unix socket: its name is nowhere in the file system, only one process can have
 * it, and the kernel takes it back when that process ends.
 *
 * The name is the folder's device and inode, not its path: two containers may share the network and
 * each call a different volume `/data`, or give one volume two paths. Processes in different network
 * namespaces do not see each other's sockets.
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
 * Whether another process has the same name but for zeros at its end, which Node 20 fills names up with:
 * to the kernel that is a different name. The kernel's list shows them as `@`.
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

/** Lock files of this process: an id alone does not tell it from an earlier one that had the same. */
const own = new Set<string>()

/**
 * Writes this process's id into a file. A file whose process is gone counts for nothing; of two
 * processes that find one in the same instant, both may go on.
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
    // EPERM: alive, and somebody else's.
    return codeOf(error) !== 'ESRCH'
  }
}

function locked(folder: string, advice = ''): Error {
  const error = new Error(`${folder} is in use by another process${advice}`)
  return Object.assign(error, { code: 'EBUSY' })
}

function unlockable(folder: string, cause: unknown): Error {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return Object.assign(new Error(`${folder} cannot be locked: ${reason}`, { cause }), {
    code: codeOf(cause),
  })
}
