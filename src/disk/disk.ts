/** Errors of a disk. The interface is `Disk` in runtime.ts. */

/** The name of the lock file that a disk may put into a locked folder. */
export const LOCK_FILE = 'lock'

/** The `code` of an error of a disk, such as ENOSPC; undefined for another error. */
export function codeOf(error: unknown): string | undefined {
  const { code } = (error ?? {}) as { code?: unknown }
  return typeof code === 'string' ? code : undefined
}

/** Common errors of disks in words. */
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

/** What is wrong with the disk, without the path: for clients, who should not see the relay's files. */
export function faultOf(error: unknown): string {
  const code = codeOf(error) ?? codeOf((error as { cause?: unknown } | undefined)?.cause)
  return code === undefined ? 'disk error' : `${FAULTS.get(code) ?? 'disk error'} (${code})`
}

/** An error of a disk with the operation and the file. */
export class DiskError extends Error {
  readonly code: string | undefined

  constructor(operation: string, path: string, cause: unknown) {
    super(`cannot ${operation} ${path}: ${faultOf(cause)}`, { cause })
    this.code = codeOf(cause)
  }
}
