/** Reads the body of a write under a bound, and inflates it under the same bound. */

import { type Answer, errorAnswer } from '../influxdb/answer.ts'
import type { Reservation } from '../limits/budget.ts'
import type { Runtime } from '../runtime.ts'

/** A body that cannot be relayed, and what its client is told. */
export class BodyError extends Error {
  readonly answer: Answer

  constructor(status: number, message: string, retryAfter?: string) {
    super(message)
    this.answer = errorAnswer(status, message, retryAfter)
  }
}

/**
 * The body of a request, inflated if it is gzip.
 *
 * @param maxBytes the most that a body may have, as sent and as inflated
 * @param reservation grows by what the body holds in memory
 * @throws BodyError
 */
export async function readBody(
  request: Request,
  maxBytes: number,
  reservation: Reservation,
  { gunzip, buffers }: Pick<Runtime, 'gunzip' | 'buffers'>,
): Promise<Uint8Array> {
  const sent = await readBytes(request, maxBytes, reservation)
  // Exactly this value, as in influxd, which takes a body with any other for plain text.
  if (request.headers.get('content-encoding') !== 'gzip') return sent
  const inflated = buffers.adopt(await inflate(sent, maxBytes, gunzip))
  buffers.give(sent)
  reserve(reservation, inflated.length)
  return inflated
}

async function readBytes(
  request: Request,
  maxBytes: number,
  reservation: Reservation,
): Promise<Uint8Array> {
  const length = request.headers.get('content-length')
  if (length !== null) {
    if (Number(length) > maxBytes) throw tooLarge()
    reserve(reservation, Number(length))
    return request.bytes().catch(cutShort)
  }
  const chunks: Uint8Array[] = []
  let total = 0
  for await (const chunk of chunksOf(request)) {
    total += chunk.length
    if (total > maxBytes) throw tooLarge()
    reserve(reservation, chunk.length)
    chunks.push(chunk)
  }
  return concatenate(chunks, total)
}

/** A body of unknown length, piece by piece; cancelled if the caller stops early. */
async function* chunksOf(request: Request): AsyncGenerator<Uint8Array> {
  if (!request.body) return
  const reader = request.body.getReader()
  let ended = false
  try {
    for (;;) {
      const { done, value } = await reader.read().catch(cutShort)
      ended = done
      if (done) return
      yield value
    }
  } finally {
    if (!ended) await reader.cancel().catch(() => {})
  }
}

function concatenate(chunks: readonly Uint8Array[], total: number): Uint8Array {
  if (chunks.length === 1) return chunks[0] as Uint8Array
  const bytes = new Uint8Array(total)
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.length
  }
  return bytes
}

async function inflate(
  sent: Uint8Array,
  maxBytes: number,
  gunzip: Runtime['gunzip'],
): Promise<Uint8Array> {
  try {
    return await gunzip(sent, maxBytes)
  } catch (error) {
    if (error instanceof RangeError) throw tooLarge()
    throw new BodyError(400, `gzip: ${(error as Error).message}`)
  }
}

function reserve(reservation: Reservation, bytes: number): void {
  if (!reservation.grow(bytes)) throw new BodyError(503, 'too many bytes in flight', '1')
}

/** The client went away, or was too slow; in influxd's words. */
function cutShort(): never {
  throw new BodyError(400, 'unexpected EOF')
}

function tooLarge(): BodyError {
  return new BodyError(413, 'Request Entity Too Large')
}
