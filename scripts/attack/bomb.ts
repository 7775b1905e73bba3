/** Gzip streams that cost far more than they weigh. */

import { constants, deflateRawSync } from 'node:zlib'

const HEAD = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3])
/** A last, empty block. */
const LAST = Buffer.from([3, 0])
const PIECE_MB = 10

/**
 * Newlines, which are line protocol without points, compressed 1000:1.
 *
 * Each piece ends with a full flush, so it can be repeated. The checksum is wrong, but a reader
 * sees that only after it has inflated everything.
 *
 * @param claimed the length that the trailer claims; by default the true one
 */
export function bomb(megabytes: number, claimed = megabytes * 2 ** 20): Buffer {
  const piece = deflateRawSync(Buffer.alloc(PIECE_MB * 2 ** 20, '\n'), {
    finishFlush: constants.Z_FULL_FLUSH,
    level: 9,
  })
  const pieces = Array.from({ length: megabytes / PIECE_MB }, () => piece)
  return Buffer.concat([HEAD, ...pieces, LAST, trailer(0, claimed)])
}

/** A gzip stream that is correct, except for the length that its trailer claims. */
export function lying(gzipped: Buffer, claimed: number): Buffer {
  return Buffer.concat([gzipped.subarray(0, -4), trailer(0, claimed).subarray(4)])
}

function trailer(checksum: number, length: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeUInt32LE(checksum, 0)
  bytes.writeUInt32LE(length % 2 ** 32, 4)
  return bytes
}
