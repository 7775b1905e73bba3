/** gzip with a hard bound on the output. */

import { constants, gunzipSync, gzipSync } from 'node:zlib'

/** influxd's messages for those of zlib. */
const WORDS: Readonly<Record<string, string>> = {
  'incorrect header check': 'invalid header',
  'incorrect data check': 'invalid checksum',
  'incorrect length check': 'invalid checksum',
  'unexpected end of file': 'unexpected EOF',
}

/** What `info` adds to the result, which is not in node's types. */
interface Inflated {
  readonly buffer: Uint8Array
  readonly engine: { readonly bytesWritten: number }
}

/**
 * Inflates gzip of one or more members. zlib's synchronous call is many times faster than
 * DecompressionStream on all three runtimes. It holds at most `limit` bytes and a chunk, or a whole result
 * twice while it joins its chunks.
 *
 * @throws RangeError if the output is larger than `limit` bytes, Error if the input is broken
 */
export async function gunzip(bytes: Uint8Array, limit: number): Promise<Uint8Array> {
  try {
    const options = {
      maxOutputLength: Math.max(limit, 1),
      chunkSize: chunkSizeFor(bytes, limit),
      info: true,
    }
    const { buffer, engine } = gunzipSync(bytes, options) as unknown as Inflated
    // zlib stops at a zero byte after a member, and would ignore all that follows.
    if (engine.bytesWritten < bytes.length) throw new Error('invalid header')
    return buffer
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ERR_BUFFER_TOO_LARGE') throw new RangeError(message)
    throw new Error(WORDS[message] ?? message)
  }
}

/** zlib's default. */
const MIN_CHUNK_BYTES = 16 * 1024

/** A larger output is joined from several chunks. zlib allocates a chunk before it looks at the limit. */
const MAX_CHUNK_BYTES = 1024 * 1024

/**
 * A chunk that holds the whole output of most bodies, which saves a copy. gzip ends with the length of the
 * last member's content (RFC 1952), but a client may have written any number there.
 */
function chunkSizeFor({ buffer, byteOffset, length }: Uint8Array, limit: number): number {
  if (length < 4) return MIN_CHUNK_BYTES
  const stated = new DataView(buffer, byteOffset, length).getUint32(length - 4, true)
  // One byte more: zlib allocates another chunk when one is full.
  return Math.max(MIN_CHUNK_BYTES, Math.min(stated, limit, MAX_CHUNK_BYTES) + 1)
}

/** Deflates at the fastest level, at which line protocol shrinks well, too. */
export async function gzip(bytes: Uint8Array): Promise<Uint8Array> {
  return gzipSync(bytes, { level: constants.Z_BEST_SPEED })
}
