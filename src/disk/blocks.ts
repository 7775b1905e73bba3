/** The space that files take: file systems give it in blocks. */

/** The size of a block on most file systems. */
const BLOCK_BYTES = 4096

/** About what a file of this size takes on a disk: a million tiny files fill one, too. */
export function inBlocks(bytes: number): number {
  return Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES
}
