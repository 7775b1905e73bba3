/**
 * Keeps a second process out of a folder, by a lock on a file in it.
 *
 * The lock is flock(2): the kernel keeps it with the file, so it holds between users, containers and network
 * namespaces, and ends with the process, however that ends. Only the owner of the folder can open the file.
 * Bun and Deno have the call; Node.js runs the program `flock` on an open file, whose lock outlasts the program.
 *
 * The file also names the process that holds the lock, for people, and for the case that there is no flock: a
 * file system that does not know it, or Node.js without the program. Then the process that the file names is
 * looked up. If it is in another container, the file must be removed by hand after a crash.
 */

import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { closeSync, openSync } from 'node:fs'
import { open, readFile, readlink, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { codeOf, LOCK_FILE } from '../disk/disk.ts'
import type { DiskLock } from '../runtime.ts'

/** Locks a file that exists, as flock(2) does, and does not wait. */
export type FileLock = (path: string) => Promise<LockAttempt>

/** A function that releases the lock, or why there is none. */
export type LockAttempt = (() => Promise<void>) | 'taken' | 'unsupported'

/** A process, as nothing else will be called until the machine has restarted. */
interface Holder {
  readonly pid: number
  /** When it started, in ticks since the boot; undefined on other systems than Linux. */
  readonly start: string | undefined
  readonly boot: string | undefined
  /** The namespace in which it has that id. */
  readonly namespace: string | undefined
  /** Whether it holds a lock by flock(2), too. */
  readonly hasLock: boolean
}

/** How long two processes that lock a folder at the same moment, without flock, take to notice each other. */
const CONTENTION_MS = 100

export async function lockFolder(
  folder: string,
  lockFile: FileLock = lockByCommand,
): Promise<DiskLock> {
  const path = join(folder, LOCK_FILE)
  try {
    await (await open(path, 'a', 0o600)).close()
    const lock = await lockFile(path)
    const holder = await readHolder(path)
    if (lock === 'taken') throw locked(folder, holder)
    const hasLock = lock !== 'unsupported'
    // The kernel has taken the lock away from a holder that had it.
    const mayHold = holder && !(hasLock && holder.hasLock) && (await mayBeAlive(holder))
    if (mayHold) {
      if (hasLock) await lock()
      throw locked(folder, holder, path)
    }
    await name(path, await ownProcess(hasLock), folder)
    const release = async () => {
      await writeFile(path, '')
      if (hasLock) await lock()
    }
    return { release }
  } catch (error) {
    throw codeOf(error) === 'EBUSY' ? error : unlockable(folder, error)
  }
}

/** Runs `flock`, which locks the open file that it inherits, and so locks it for this process. */
async function lockByCommand(path: string): Promise<LockAttempt> {
  // Not a FileHandle, which is closed when it is garbage.
  const fd = openSync(path, 'r+')
  const status = await flock(fd)
  if (status === 0) return async () => closeSync(fd)
  closeSync(fd)
  return status === 1 ? 'taken' : 'unsupported'
}

/** The exit code of `flock`: 1 if another process holds the lock. Undefined if it cannot be run. */
function flock(fd: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const child = spawn('flock', ['-x', '-n', '3'], { stdio: ['ignore', 'ignore', 'ignore', fd] })
    child.once('error', () => resolve(undefined))
    child.once('exit', (code) => resolve(code ?? undefined))
  })
}

/** Writes the holder to the file. Without flock, two processes may do so at once: the last one holds the lock. */
async function name(path: string, holder: Holder, folder: string): Promise<void> {
  if (holder.hasLock) return writeFile(path, JSON.stringify(holder))
  // Processes of two containers may have the same number.
  const id = randomUUID()
  const text = JSON.stringify({ ...holder, id })
  const own = `${path}.${id}`
  await writeFile(own, text, { mode: 0o600 })
  await rename(own, path)
  await delay(CONTENTION_MS)
  const now = await readFile(path, 'utf8')
  if (now !== text) throw locked(folder, parseHolder(now), path)
}

async function readHolder(path: string): Promise<Holder | undefined> {
  return parseHolder(await readFile(path, 'utf8'))
}

/** A file with nothing but an id is one of an earlier version of the relay. */
function parseHolder(text: string): Holder | undefined {
  try {
    const parsed: unknown = JSON.parse(text)
    const unknown = { start: undefined, boot: undefined, namespace: undefined, hasLock: false }
    if (typeof parsed === 'number') return { pid: parsed, ...unknown }
    const { pid } = parsed as Holder
    return typeof pid === 'number' ? { ...unknown, ...(parsed as Holder) } : undefined
  } catch {
    return undefined
  }
}

async function ownProcess(hasLock: boolean): Promise<Holder> {
  const [start, boot, namespace] = await Promise.all([
    startOf('self'),
    bootId(),
    readlink('/proc/self/ns/pid').catch(() => undefined),
  ])
  return { pid: process.pid, start, boot, namespace, hasLock }
}

/** Whether the process lives, or cannot be looked up. */
async function mayBeAlive({ pid, start, boot, namespace }: Holder): Promise<boolean> {
  const own = await ownProcess(false)
  if (boot !== own.boot && boot !== undefined) return false
  if (namespace !== own.namespace && namespace !== undefined) return true
  if (start !== undefined) return (await startOf(pid)) === start
  if (pid === process.pid) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: it runs as another user.
    return codeOf(error) !== 'ESRCH'
  }
}

/** The 22nd field of a process's line. The second is its name in parentheses, which may have spaces. */
async function startOf(pid: number | 'self'): Promise<string | undefined> {
  const line = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return line.slice(line.lastIndexOf(')')).split(' ')[20]
}

async function bootId(): Promise<string | undefined> {
  const text = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => undefined)
  return text?.trim()
}

function locked(folder: string, holder: Holder | undefined, removable?: string): Error {
  const who = holder ? `process ${holder.pid}` : 'another process'
  const advice = removable === undefined ? '' : ` (if it is not, remove ${removable})`
  const error = new Error(`${folder} is in use by ${who}${advice}`)
  return Object.assign(error, { code: 'EBUSY' })
}

function unlockable(folder: string, cause: unknown): Error {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return Object.assign(new Error(`cannot lock ${folder}: ${reason}`, { cause }), {
    code: codeOf(cause),
  })
}
