/** Reads the body of a write, under bounds on its size and on the client's slowness, and inflates it. */

import { type Answer, errorAnswer } from '../influxdb/answer.ts'
import type { Reservation } from '../limits/budget.ts'
import type { Clock, Runtime } from '../runtime.ts'
import { firstOf } from './headers.ts'

/** A body that cannot be relayed, and the answer to its client. */
export class BodyError extends Error {
  readonly answer: Answer
  /** Whether the rest of the body is worth less than the connection. */
  readonly mustClose: boolean

  constructor(
    status: number,
    message: string,
    options: { retryAfter?: string; mustClose?: boolean } = {},
  ) {
    super(message)
    this.answer = errorAnswer(status, message, options.retryAfter)
    this.mustClose = options.mustClose ?? false
  }
}

export interface BodyLimits {
  /** The most bytes of a body, both as sent and as inflated. */
  readonly maxBodyBytes: number
  /** The longest that a client may send nothing. */
  readonly readTimeoutMs: number
}

/** A client that is slower than this on average is timed out, as one that sends nothing. */
const MIN_BYTES_PER_MS = 1

/** Shorter bodies are read in one piece. The time for them is what the slowest client would need. */
const MAX_SMALL_BYTES = 16 * 1024

const FIRST_BLOCK_BYTES = 64 * 1024

/**
 * A chunk costs a runtime about a kilobyte and a microsecond, whatever is in it. Programs that write line
 * protocol send a line, a buffer or a packet a chunk; only an attack is made of thousands of smaller ones.
 */
const MAX_SMALL_CHUNKS = 4096
const MIN_MEAN_CHUNK_BYTES = 16

/**
 * The body of a request, inflated if it is gzip.
 *
 * @param reservation grows by what the body holds in memory
 * @throws BodyError
 */
export async function readBody(
  request: Request,
  limits: BodyLimits,
  reservation: Reservation,
  runtime: Pick<Runtime, 'clock' | 'gunzip' | 'buffers'>,
): Promise<Uint8Array> {
  const { buffers, gunzip } = runtime
  const sent = await readBytes(request, limits, reservation, runtime)
  // Exactly this value, as in influxd, which takes a body with any other for plain text.
  if (firstOf(request.headers.get('content-encoding')) !== 'gzip') return sent
  const inflated = buffers.adopt(await inflate(sent, limits.maxBodyBytes, gunzip))
  buffers.give(sent)
  reserve(reservation, inflated.length)
  return inflated
}

async function readBytes(
  request: Request,
  { maxBodyBytes, readTimeoutMs }: BodyLimits,
  reservation: Reservation,
  { clock, buffers }: Pick<Runtime, 'clock' | 'buffers'>,
): Promise<Uint8Array> {
  const header = request.headers.get('content-length')
  const length = header === null ? undefined : Number(header)
  if (length !== undefined && length > maxBodyBytes) throw tooLarge()
  if (length !== undefined && length <= MAX_SMALL_BYTES) {
    reserve(reservation, length)
    const timeoutMs = readTimeoutMs + length / MIN_BYTES_PER_MS
    return buffers.adopt(new Uint8Array(await withTimeout(clock, timeoutMs, request.arrayBuffer())))
  }
  if (!request.body) return new Uint8Array(0)
  // The length is the client's claim: memory is taken as the bytes come.
  if (length !== undefined && !reservation.hasRoomFor(length)) throw noRoom()

  const reader = request.body.getReader()
  const started = clock.now()
  let bytes: Uint8Array = new Uint8Array(0)
  let total = 0
  let chunks = 0
  try {
    for (;;) {
      const slowestMs = started + readTimeoutMs + total / MIN_BYTES_PER_MS - clock.now()
      const { done, value } = await withTimeout(
        clock,
        Math.min(readTimeoutMs, slowestMs),
        reader.read(),
      )
      if (done) return bytes.subarray(0, total)
      total += value.length
      chunks++
      if (total > maxBodyBytes) throw tooLarge()
      if (chunks > MAX_SMALL_CHUNKS && total < chunks * MIN_MEAN_CHUNK_BYTES) throw tooManyChunks()
      if (chunks === 1) {
        reserve(reservation, total)
        bytes = value
        continue
      }
      if (total > bytes.length) {
        const size = Math.max(FIRST_BLOCK_BYTES, Math.min(2 * total, length ?? maxBodyBytes))
        reserve(reservation, size - bytes.length)
        const larger = buffers.take(size)
        larger.set(bytes.subarray(0, total - value.length))
        buffers.give(bytes)
        bytes = larger
      }
      bytes.set(value, total - value.length)
    }
  } catch (error) {
    reader.cancel().catch(() => {})
    throw error
  }
}

/** @throws BodyError if the bytes have not come in time, or if the client has gone */
function withTimeout<T>(clock: Clock, timeoutMs: number, bytes: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(timeoutMs, () =>
      reject(new BodyError(408, 'request timed out', { mustClose: true })),
    )
    bytes.then(
      (value) => {
        cancel()
        resolve(value)
      },
      () => {
        cancel()
        reject(new BodyError(400, 'unexpected EOF', { mustClose: true }))
      },
    )
  })
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
  if (!reservation.grow(bytes)) throw noRoom()
}

function noRoom(): BodyError {
  return new BodyError(503, 'too many bytes in flight', { retryAfter: '1' })
}

function tooLarge(): BodyError {
  return new BodyError(413, 'Request Entity Too Large')
}

/** Not 400, for which Telegraf drops what it has sent. */
function tooManyChunks(): BodyError {
  return new BodyError(413, 'the chunks of the body are too small', { mustClose: true })
}
