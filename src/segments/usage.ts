/** What logs take on disk. Several logs may share one, so that their sum is known at any time. */

/** File systems give space in blocks, of this size on most. */
const BLOCK_BYTES = 4096

export interface LogUsage {
  /** Bytes of records between head and tail. */
  undelivered: number
  /** Bytes of the blocks of all segment files, with what was delivered and is not removed yet. */
  allocated: number
}

export function createUsage(): LogUsage {
  return { undelivered: 0, allocated: 0 }
}

/** What a file of so many bytes takes on disk. */
export function allocatedBytes(bytes: number): number {
  return Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES
}
