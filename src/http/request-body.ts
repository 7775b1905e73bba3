/** Reads the body of a request, under bounds on its size and on the client's slowness, and inflates it. */

import { type Answer, errorAnswer } from '../influxdb/answer.ts'
import { toResponse } from '../influxdb/response.ts'
import { Budget, type Reservation } from '../limits/budget.ts'
import { coarseTimers } from '../limits/coarse-timers.ts'
import { Turns } from '../limits/turns.ts'
import type { Buffers, Clock, Runtime } from '../runtime.ts'
import { firstOf } from './headers.ts'

/** A body that cannot be relayed, and the answer to its client. */
export class BodyError extends Error {
  readonly answer: Answer
  /** Whether to close the connection rather than to read the rest of the body. */
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

  toResponse(): Response {
    const response = toResponse(this.answer)
    if (this.mustClose) response.headers.set('connection', 'close')
    return response
  }
}

export interface BodyLimits {
  /** The most bytes of a body, both as sent and as inflated. */
  readonly maxBodyBytes: number
  /** The longest that a client may send nothing. */
  readonly readTimeoutMs: number
}

/** The part of the bytes in flight that clients may have announced and not yet sent. */
const MAX_ANNOUNCED_SHARE = 1 / 4

/** A client that is slower than this on average is timed out. Apache's mod_reqtimeout asks for half of it. */
const MIN_BYTES_PER_MS = 1

/** Bodies up to this size are read at once, within the time that the slowest client needs for all of it. */
const MAX_SMALL_BYTES = 64 * 1024

/** Bodies up to this size get a buffer of the size that they announce, and need not be moved as they grow. */
const MAX_ANNOUNCED_BYTES = 1024 * 1024

/** The smallest buffer for a body that comes in several pieces. */
const MIN_BUFFER_BYTES = 4 * 1024

/**
 * A chunk costs a runtime about a microsecond and half a kilobyte, however small it is. Clients send a
 * line, a buffer or a packet as a chunk; a body of thousands of smaller chunks is an attack.
 */
const MAX_SMALL_PIECES = 4096
const MIN_MEAN_PIECE_BYTES = 16

/** To inflate more than this may take milliseconds: deflate makes up to a thousand times as much of it. */
const MAX_INFLATED_AT_ONCE_BYTES = 8 * 1024

/** What the body of a request is read with. */
export interface BodyReading extends Pick<Runtime, 'buffers'> {
  readonly clock: Pick<Clock, 'now' | 'after'>
  /** Undefined to leave a body as it was sent. */
  readonly gunzip: Runtime['gunzip'] | undefined
  readonly turns: Turns
}

/**
 * The body of a request, inflated if it is gzip.
 *
 * @param reservation grows by what the body holds in memory
 * @param announced bounds what is reserved for bytes that clients have announced and not yet sent. Bodies
 *   past it are read into buffers that grow with what comes, which is slower.
 * @throws BodyError
 */
export async function readBody(
  request: Request,
  limits: BodyLimits,
  reservation: Reservation,
  announced: Budget,
  reading: BodyReading,
): Promise<Uint8Array> {
  const { headers } = request
  // Bun takes the same length twice, and joins the two.
  const header = firstOf(headers.get('content-length'))
  const length = header === undefined ? undefined : Number(header)
  if (length !== undefined && length > limits.maxBodyBytes) throw tooLarge()
  const isAnnounced =
    length !== undefined && length <= MAX_ANNOUNCED_BYTES && announced.take(length)
  let sent: Uint8Array
  try {
    sent =
      isAnnounced && length <= MAX_SMALL_BYTES
        ? await readAtOnce(request, length, limits, reservation, reading)
        : await readPieces(request, length, isAnnounced, limits, reservation, reading)
  } finally {
    if (isAnnounced) announced.give(length)
  }
  // Exactly this value, as in influxd, which takes a body with any other for plain text.
  const isGzip = firstOf(headers.get('content-encoding')) === 'gzip'
  const { gunzip } = reading
  return isGzip && gunzip ? inflate(sent, limits, reservation, { ...reading, gunzip }) : sent
}

/** Most writes come this way, so it makes do with one promise and one timer. */
function readAtOnce(
  request: Request,
  length: number,
  { readTimeoutMs }: BodyLimits,
  reservation: Reservation,
  { clock, buffers }: BodyReading,
): Promise<Uint8Array> {
  if (!reservation.grow(length)) return Promise.reject(noRoom())
  // In whole seconds: timers of one delay are cheap on Node.js.
  const timeoutMs = readTimeoutMs + 1000 * Math.ceil(length / MIN_BYTES_PER_MS / 1000)
  return new Promise((resolve, reject) => {
    const cancel = clock.after(timeoutMs, () => reject(tooSlow()))
    request.arrayBuffer().then(
      (buffer) => {
        cancel()
        // Deno ends a body that was cut short without an error.
        if (buffer.byteLength < length) reject(cutShort())
        else resolve(buffers.adopt(new Uint8Array(buffer)))
      },
      () => {
        cancel()
        reject(cutShort())
      },
    )
  })
}

/**
 * Reads piece by piece into a buffer that grows.
 *
 * @param length what the client claims
 * @param isAnnounced whether the buffer may have that length before the bytes have come
 */
async function readPieces(
  { body }: Request,
  length: number | undefined,
  isAnnounced: boolean,
  { maxBodyBytes, readTimeoutMs }: BodyLimits,
  reservation: Reservation,
  { clock, buffers }: BodyReading,
): Promise<Uint8Array> {
  if (!body) return new Uint8Array(0)
  if (length !== undefined && !reservation.hasRoomFor(length)) throw noRoom()
  const reader = body.getReader()
  const started = clock.now()
  let buffer: Uint8Array = new Uint8Array(0)
  let total = 0
  let pieces = 0
  try {
    for (;;) {
      const slowestMs = started + readTimeoutMs + total / MIN_BYTES_PER_MS - clock.now()
      const { done, value } = await inTime(clock, Math.min(readTimeoutMs, slowestMs), reader.read())
      if (done) {
        // Deno ends a body that was cut short without an error.
        if (length !== undefined && total < length) throw cutShort()
        return buffer.subarray(0, total)
      }
      const filled = total
      total += value.length
      pieces++
      if (total > maxBodyBytes) throw tooLarge()
      if (pieces > MAX_SMALL_PIECES && total < pieces * MIN_MEAN_PIECE_BYTES) throw inCrumbs()
      if (pieces === 1) {
        reserve(reservation, total)
        buffer = value
        continue
      }
      if (total > buffer.length) {
        const most = length ?? maxBodyBytes
        const wanted = isAnnounced ? most : Math.min(Math.max(MIN_BUFFER_BYTES, 2 * total), most)
        const size = reservation.hasRoomFor(wanted - buffer.length) ? wanted : total
        reserve(reservation, size - buffer.length)
        const larger = buffers.take(size)
        larger.set(buffer.subarray(0, filled))
        buffers.give(pieces === 2 ? adoptWhole(buffer, buffers) : buffer)
        buffer = larger
      }
      buffer.set(value, filled)
      buffers.give(adoptWhole(value, buffers))
    }
  } catch (error) {
    reader.cancel().catch(() => {})
    // Thousands of clients that go away would leave so much to the garbage collector.
    buffers.give(pieces === 1 ? adoptWhole(buffer, buffers) : buffer)
    throw error
  }
}

/** Has the memory of a piece freed when it is given, unless the runtime may use another part of it. */
function adoptWhole(piece: Uint8Array, buffers: Buffers): Uint8Array {
  return piece.length === piece.buffer.byteLength ? buffers.adopt(piece) : piece
}

/** @throws BodyError if the bytes have not come in time, or if the client has gone */
function inTime<T>(clock: BodyReading['clock'], timeoutMs: number, bytes: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(timeoutMs, () => reject(tooSlow()))
    bytes.then(
      (value) => {
        cancel()
        resolve(value)
      },
      () => {
        cancel()
        reject(cutShort())
      },
    )
  })
}

async function inflate(
  sent: Uint8Array,
  { maxBodyBytes }: BodyLimits,
  reservation: Reservation,
  { buffers, gunzip, turns }: BodyReading & Pick<Runtime, 'gunzip'>,
): Promise<Uint8Array> {
  if (sent.length > MAX_INFLATED_AT_ONCE_BYTES) await turns.next()
  const limit = Math.min(maxBodyBytes, reservation.room)
  const inflated = await gunzip(sent, limit).catch((error) => {
    if (!(error instanceof RangeError)) throw new BodyError(400, `gzip: ${error.message}`)
    throw limit < maxBodyBytes ? noRoom() : tooLarge()
  })
  buffers.give(sent)
  reserve(reservation, inflated.length)
  return buffers.adopt(inflated)
}

/** What all bodies of an endpoint are read with, and the bounds that they share. */
export function createBodyReading(
  { clock, buffers, gunzip }: Runtime,
  maxPendingBytes: number,
): { reading: BodyReading; pending: Budget; announced: Budget } {
  return {
    reading: {
      clock: { now: () => clock.now(), after: coarseTimers(clock) },
      buffers,
      gunzip,
      turns: new Turns(clock),
    },
    pending: new Budget(maxPendingBytes),
    announced: new Budget(maxPendingBytes * MAX_ANNOUNCED_SHARE),
  }
}

function reserve(reservation: Reservation, bytes: number): void {
  if (!reservation.grow(bytes)) throw noRoom()
}

/** Not 400: Telegraf drops the metrics that a 400 answers, and sends them again after any other error. */
function tooSlow(): BodyError {
  return new BodyError(408, 'request timed out', { mustClose: true })
}

/** The client has gone, so this is for the log alone. */
function cutShort(): BodyError {
  return new BodyError(400, 'unexpected EOF', { mustClose: true })
}

export function noRoom(): BodyError {
  return new BodyError(503, 'too many bytes in flight', { retryAfter: '1' })
}

function tooLarge(): BodyError {
  return new BodyError(413, 'Request Entity Too Large')
}

function inCrumbs(): BodyError {
  return new BodyError(413, 'the chunks of the body are too small', { mustClose: true })
}
