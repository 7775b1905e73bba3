/** What logs take on disk. Several logs may share one, so that their sum is known at any time. */

export interface LogUsage {
  /** Bytes of records between head and tail. */
  undelivered: number
  /** Bytes of the blocks of all segment files, with what was delivered and is not removed yet. */
  allocated: number
}

export function createUsage(): LogUsage {
  return { undelivered: 0, allocated: 0 }
}
