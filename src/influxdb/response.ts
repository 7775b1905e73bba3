/** Answers from and to HTTP responses. */

import { type Answer, MAX_MESSAGE_LENGTH, printable, STORED } from './answer.ts'

/** Statuses whose Response must not have a body. */
export const STATUSES_WITHOUT_BODY = new Set([204, 205, 304])

/**
 * The most that is kept of a body. influxd quotes every bad line of a write in its error, which no client
 * shows whole.
 */
const MAX_BODY_BYTES = 64 * 1024

/** The most that is read and thrown away of a body, so that its connection can be used again. */
const MAX_READ_BYTES = 1024 * 1024

/** The most pieces that are read of a body. A piece of one byte may cost a runtime half a kilobyte. */
const MAX_READ_PIECES = 4096

/**
 * Reads a backend's response. Its body and headers are cut to what clients can use. A body that is not very
 * long is read to its end, which frees its connection for the next request.
 */
export async function readAnswer(response: Response): Promise<Answer> {
  const { status } = response
  // Nearly every answer: to look at its headers and body takes longer than the rest of the exchange.
  if (status === 204) return STORED
  const body = await readBytes(response)
  const header = (name: string) => response.headers.get(name)?.slice(0, MAX_MESSAGE_LENGTH)
  return {
    status,
    body,
    contentType: header('content-type'),
    error: header('x-influxdb-error'),
    challenge: header('www-authenticate'),
    retryAfter: header('retry-after'),
  }
}

/** The longest answer to statements that change something. Its server must not be kept from executing them. */
const MAX_RESULT_BYTES = 16 * 1024 * 1024

const RESULT_HEADERS = ['x-influxdb-version', 'x-influxdb-build', 'request-id', 'x-request-id']

/**
 * Reads a backend's response to statements that change something, to its end: only then all are executed.
 * Undefined if it is too long to be kept.
 */
export async function readResult(response: Response): Promise<Answer | undefined> {
  const { status } = response
  const body = await readWhole(response)
  if (body === undefined) return undefined
  const header = (name: string) => response.headers.get(name) ?? undefined
  const headers: Record<string, string> = {}
  for (const name of RESULT_HEADERS) {
    const value = header(name)
    if (value !== undefined) headers[name] = value
  }
  return {
    status,
    body,
    contentType: header('content-type'),
    error: header('x-influxdb-error')?.slice(0, MAX_MESSAGE_LENGTH),
    challenge: header('www-authenticate'),
    retryAfter: header('retry-after'),
    headers,
  }
}

/** Undefined if it is too long. */
async function readWhole({ body }: Response): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const pieces: Uint8Array[] = []
  let bytes = 0
  for (const reader = body?.getReader(); reader; ) {
    const { value } = await reader.read()
    if (!value) break
    bytes += value.length
    if (bytes <= MAX_RESULT_BYTES) pieces.push(value)
    else pieces.length = 0
  }
  if (bytes > MAX_RESULT_BYTES) return undefined
  const whole = new Uint8Array(bytes)
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}

/** Copies what comes, whatever the size of its pieces: each piece has a cost of its own in memory. */
async function readBytes({ body }: Response): Promise<Uint8Array<ArrayBuffer>> {
  if (!body) return new Uint8Array(0)
  const reader = body.getReader()
  let buffer = new Uint8Array(1024)
  let total = 0
  for (let pieces = 1; ; pieces++) {
    const { value } = await reader.read()
    if (!value) return total > MAX_BODY_BYTES ? closed(buffer) : buffer.slice(0, total)
    const from = Math.min(total, MAX_BODY_BYTES)
    total += value.length
    const to = Math.min(total, MAX_BODY_BYTES)
    if (to > buffer.length) {
      const larger = new Uint8Array(Math.min(2 * to, MAX_BODY_BYTES))
      larger.set(buffer.subarray(0, from))
      buffer = larger
    }
    buffer.set(value.subarray(0, to - from), from)
    if (total > MAX_READ_BYTES || pieces === MAX_READ_PIECES) {
      await reader.cancel()
      return closed(buffer.slice(0, to))
    }
  }
}

/** The longest escape in JSON, without its last character. */
const MAX_CUT_LENGTH = 5

/** Makes JSON again of an error in influxd's form that was cut; leaves any other body as it is. */
function closed(cut: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const text = new TextDecoder().decode(cut, { stream: true })
  for (let length = text.length; length >= text.length - MAX_CUT_LENGTH; length--) {
    const candidate = `${text.slice(0, length)}..."}\n`
    if (isError(candidate)) return new TextEncoder().encode(candidate)
  }
  return cut
}

function isError(text: string): boolean {
  try {
    return typeof JSON.parse(text).error === 'string'
  } catch {
    return false
  }
}

/** The answer as a response to the relay's own client. A backend's other headers are not forwarded. */
export function toResponse(answer: Answer): Response {
  const headers: Record<string, string> = { ...answer.headers }
  if (answer.contentType !== undefined) headers['content-type'] = answer.contentType
  if (answer.error !== undefined) headers['x-influxdb-error'] = printable(answer.error)
  if (answer.challenge !== undefined) headers['www-authenticate'] = printable(answer.challenge)
  if (answer.retryAfter !== undefined) headers['retry-after'] = printable(answer.retryAfter)
  return new Response(answer.status === 204 ? null : answer.body, {
    status: answer.status,
    headers,
  })
}
