/** gzip with a hard bound on the output. */

import { constants, gunzipSync, gzipSync } from 'node:zlib'

/** influxd's messages for those of zlib. */
const WORDS: Readonly<Record<string, string>> = {
  'incorrect header check': 'invalid header',
  'incorrect data check': 'invalid checksum',
  'incorrect length check': 'invalid checksum',
  'unexpected end of file': 'unexpected EOF',
}

/**
 * Inflates gzip of one or more members. zlib's synchronous call is many times faster than
 * DecompressionStream on all three runtimes, and stops at the bound before it allocates more.
 *
 * @throws RangeError if the output is larger than `limit` bytes, Error if the input is broken
 */
export async function gunzip(bytes: Uint8Array, limit: number): Promise<Uint8Array> {
  try {
    return gunzipSync(bytes, {
      maxOutputLength: Math.max(limit, 1),
      chunkSize: chunkSizeFor(bytes),
    })
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ERR_BUFFER_TOO_LARGE') throw new RangeError(message)
    throw new Error(WORDS[message] ?? message)
  }
}

/** The most output that deflate makes of one byte. */
const MAX_RATIO = 1032

/** zlib's default. */
const DEFAULT_CHUNK_BYTES = 16 * 1024

/**
 * A chunk that holds the whole output, which saves a copy. gzip ends with the length of the last member's
 * content (RFC 1952), but a client may have written any number there.
 */
function chunkSizeFor(bytes: Uint8Array): number {
  const { buffer, byteOffset, length } = bytes
  if (length < 4) return DEFAULT_CHUNK_BYTES
  const stated = new DataView(buffer, byteOffset, length).getUint32(length - 4, true)
  // One byte more: zlib allocates another chunk when one is full.
  return Math.max(DEFAULT_CHUNK_BYTES, Math.min(stated, length * MAX_RATIO) + 1)
}

/** Deflates at the fastest level, at which line protocol shrinks well, too. */
export async function gzip(bytes: Uint8Array): Promise<Uint8Array> {
  return gzipSync(bytes, { level: constants.Z_BEST_SPEED })
}
