/** flock(2) on Deno, which needs no permission to run a program. */

import type { LockAttempt } from './folder-lock.ts'

/** Files that must stay open: a file that is garbage is closed, and its lock ends. */
const locked = new Set<Deno.FsFile>()

export async function lockFile(path: string): Promise<LockAttempt> {
  const file = await Deno.open(path, { read: true, write: true })
  try {
    if (await file.tryLock(true)) {
      locked.add(file)
      return async () => {
        locked.delete(file)
        file.close()
      }
    }
    file.close()
    return 'taken'
  } catch {
    file.close()
    return 'unsupported'
  }
}
