/**
 * A disk, as far as the relay needs one. The real one is in node-disk.ts; a simulation hands in one that
 * fails.
 *
 * Nothing is sure to outlast a power cut until it has been synced: a file's bytes by its `sync`, a name
 * that was made, changed or removed by its folder's `syncFolder`. Until then each of them may or may not
 * have reached the disk, in any order and in part. What a killed process has done, though, stays done.
 *
 * Every method rejects with an error that has a `code`, such as ENOSPC, EIO or ENOENT.
 */
export interface Disk {
  /**
   * Makes a folder, readable by its owner only, and those above it that are missing. Does nothing if
   * there is one. The one thing here that needs no sync: the folder is there for good.
   */
  makeFolder(path: string): Promise<void>
  /** What is in a folder, in no particular order. */
  list(folder: string): Promise<DiskEntry[]>
  /** Returns once the names in the folder, as they are now, outlast a power cut. */
  syncFolder(folder: string): Promise<void>
  /** Makes an empty file that its owner alone may read. Rejects with EEXIST if the name is taken. */
  create(path: string): Promise<DiskFile>
  /** Opens a file for reading and writing. */
  open(path: string): Promise<DiskFile>
  remove(path: string): Promise<void>
  /** Gives a file another name, in place of the file that has it. */
  rename(from: string, to: string): Promise<void>
  /**
   * Keeps everybody else out of a folder that exists, until released or until this process ends, however
   * it ends. Rejects with an error that names the folder, EBUSY, if it is locked already.
   */
  lock(folder: string): Promise<DiskLock>
}

export interface DiskEntry {
  readonly name: string
  readonly bytes: number
  readonly isFolder: boolean
}

/** An open file. */
export interface DiskFile {
  size(): Promise<number>
  /**
   * Up to `length` bytes from `offset` on: fewer only where the file ends. They are the caller's.
   *
   * @param into memory for them, if the caller has some
   */
  read(offset: number, length: number, into?: Uint8Array): Promise<Uint8Array>
  /** Writes all bytes, or rejects when it has written none or a part of them. */
  write(offset: number, bytes: Uint8Array): Promise<void>
  truncate(size: number): Promise<void>
  /**
   * Returns once the file's size and bytes, as they are now, outlast a power cut. After it has rejected,
   * what was not synced before is lost, even if a later call resolves.
   */
  sync(): Promise<void>
  close(): Promise<void>
}

export interface DiskLock {
  release(): Promise<void>
}

/** The name of the file with which a disk may lock the folder that it is in. */
export const LOCK_FILE = 'lock'

/** The `code` of an error of a disk, or undefined if it is none. */
export function codeOf(error: unknown): string | undefined {
  const { code } = (error ?? {}) as { code?: unknown }
  return typeof code === 'string' ? code : undefined
}

/** The usual errors of disks, in words. */
const FAULTS = new Map([
  ['EACCES', 'permission denied'],
  ['EDQUOT', 'disk quota used up'],
  ['EIO', 'disk error'],
  ['EMFILE', 'too many open files'],
  ['ENFILE', 'too many open files'],
  ['ENOENT', 'no such file'],
  ['ENOSPC', 'disk full'],
  ['ENOTDIR', 'not a folder'],
  ['EPERM', 'permission denied'],
  ['EROFS', 'disk is read-only'],
])

/** What is wrong with the disk, and not where: for those who need not know how the relay keeps its files. */
export function faultOf(error: unknown): string {
  const code = codeOf(error) ?? codeOf((error as { cause?: unknown } | undefined)?.cause)
  return code === undefined ? 'disk error' : `${FAULTS.get(code) ?? 'disk error'} (${code})`
}

/** An error of a disk that says what could not be done, and to which file. */
export class DiskError extends Error {
  readonly code: string | undefined

  constructor(operation: string, path: string, cause: unknown) {
    super(`cannot ${operation} ${path}: ${faultOf(cause)}`, { cause })
    this.code = codeOf(cause)
  }
}

/** Creates a file in place of one that may be there. */
export async function createAnew(disk: Disk, path: string): Promise<DiskFile> {
  try {
    return await disk.create(path)
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
  }
  await disk.remove(path)
  return disk.create(path)
}
