/** flock(2) on Bun, and so in the executable, which needs no other program. */

import { dlopen, FFIType } from 'bun:ffi'
import { closeSync, openSync } from 'node:fs'
import type { LockAttempt } from './folder-lock.ts'

const LOCK_EX = 2
const LOCK_NB = 4
const LOCK_UN = 8

/** glibc, musl, macOS. */
const LIBRARIES = ['libc.so.6', 'libc.so', 'libSystem.B.dylib']

export async function lockFile(path: string): Promise<LockAttempt> {
  const flock = findFlock()
  if (!flock) return 'unsupported'
  const fd = openSync(path, 'r+')
  if (flock(fd, LOCK_EX | LOCK_NB) === 0) return async () => closeSync(fd)
  // Without its error number: a file system that has no locks refuses this, too.
  const isSupported = flock(fd, LOCK_UN) === 0
  closeSync(fd)
  return isSupported ? 'taken' : 'unsupported'
}

function findFlock(): ((fd: number, operation: number) => number) | undefined {
  for (const library of LIBRARIES) {
    try {
      const symbols = { flock: { args: [FFIType.i32, FFIType.i32], returns: FFIType.i32 } } as const
      return dlopen(library, symbols).symbols.flock
    } catch {
      // The next library may be there.
    }
  }
  return undefined
}
