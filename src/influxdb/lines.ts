/**
 * Line protocol, read just far enough to find where lines end.
 *
 * The rules are those of influxd 1.x (`models/points.go`: scanLine), with its surprises: a backslash
 * outside a string joins a line with the next, and a comment with an odd number of quotes swallows
 * what follows. Nothing is decoded, so bytes that are not UTF-8 pass through unchanged.
 */

import { BYTE, skipPlain } from './line-bytes.ts'

const { BACKSLASH, COMMA, EQUALS, NEWLINE, QUOTE, SPACE } = BYTE

/** Where the bytes of a new body go. */
export interface Allocator {
  /** Bytes of any content. */
  take(length: number): Uint8Array
}

/** Allocator that is left to the garbage collector. */
export const heap: Allocator = { take: (length) => new Uint8Array(length) }

/** One body out of several, or the very one. Each but the last must end cleanly. */
export function join(bodies: readonly Uint8Array[], memory = heap): Uint8Array {
  if (bodies.length === 1) return bodies[0] as Uint8Array
  let length = 0
  for (const body of bodies) length += body.length + 1
  const joined = memory.take(length)
  let at = 0
  for (const body of bodies) {
    if (body.length === 0) continue
    joined.set(body, at)
    at += body.length
    if (body[body.length - 1] !== NEWLINE) joined[at++] = NEWLINE
  }
  return joined.subarray(0, at)
}

/**
 * Cuts a body at line ends into pieces of at most `limit` bytes, in order. A piece is longer only if
 * it is one line that is itself too long; blank lines and comments at a cut stay with their neighbours.
 */
export function split(body: Uint8Array, limit: number): Uint8Array[] {
  const pieces: Uint8Array[] = []
  let start = 0
  let end = 0
  while (end < body.length) {
    const next = Math.min(lineEnd(body, end, body.length) + 1, body.length)
    if (next - start > limit && end > start) {
      pieces.push(body.subarray(start, end))
      start = end
    }
    end = next
  }
  if (end > start) pieces.push(body.subarray(start, end))
  return pieces
}

/**
 * The position of the newline that ends the line at `start`, or one at or past the end of `body`:
 * exactly `body.length` if the next byte would begin or end a line, more if the line is still open.
 *
 * @param known bytes known to follow `start` in whatever `body` will be a part of: influxd takes a
 *   backslash for an escape only if two more bytes follow it
 */
function lineEnd(body: Uint8Array, start: number, known: number): number {
  let quoted = false
  let fields = false
  let equals = 0
  let commas = 0
  let i = start
  for (;;) {
    i = skipPlain(body, i, body.length)
    if (i >= body.length) break
    const byte = body[i] as number
    if (byte === BACKSLASH && i + 2 < known) {
      i += 2
      continue
    }
    if (byte === SPACE) fields = true
    else if (byte === NEWLINE && !quoted) return i
    else if (fields) {
      if (byte === QUOTE) {
        if (equals > commas) quoted = !quoted
      } else if (!quoted) {
        if (byte === EQUALS) equals++
        else if (byte === COMMA) commas++
      }
    }
    i++
  }
  return quoted ? i + 1 : i
}

/** Finds the ends of lines, one after the other. */
export class LineFinder {
  private readonly body: Uint8Array
  /** The next quote and the next backslash that are known: a line without them ends with its newline. */
  private quote = -1
  private backslash = -1

  constructor(body: Uint8Array) {
    this.body = body
  }

  /** The end of the line at `start`, which lies behind all that were asked for before. */
  endOf(start: number): number {
    const { body } = this
    if (this.quote < start) this.quote = indexOf(body, QUOTE, start)
    if (this.backslash < start) this.backslash = indexOf(body, BACKSLASH, start)
    const newline = indexOf(body, NEWLINE, start)
    if (newline <= this.quote && newline <= this.backslash) return newline
    return Math.min(lineEnd(body, start, body.length), body.length)
  }
}

/** The next place of a byte, or the end of the body. */
function indexOf(body: Uint8Array, byte: number, start: number): number {
  const place = body.indexOf(byte, start)
  return place < 0 ? body.length : place
}

/** Whether a newline put behind `body` would end its last line, which begins at `last`. */
export function endsCleanly(body: Uint8Array, last: number): boolean {
  const end = lineEnd(body, last, Number.POSITIVE_INFINITY)
  const ended = body.length > 0 && body[body.length - 1] === NEWLINE
  return end === (ended ? body.length - 1 : body.length)
}
