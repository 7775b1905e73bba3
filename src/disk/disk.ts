/** Errors of a disk, and small steps on it. The port itself is `Disk` in runtime.ts. */

import type { Disk, DiskFile } from '../runtime.ts'

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
