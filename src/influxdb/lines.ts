/**
 * Lines of line protocol: where they end, and how bodies are joined and split.
 *
 * The rules are those of influxd 1.x (`models/points.go`: scanLine), with its surprises: a backslash
 * outside a string joins a line with the next, and a comment with an odd number of quotes swallows
 * the lines after it. Nothing is decoded, so bytes that are not UTF-8 pass through unchanged.
 */

import { BYTE, skipPlain } from './line-bytes.ts'

const { BACKSLASH, COMMA, EQUALS, NEWLINE, QUOTE, SPACE } = BYTE

/** A source of memory for new bodies. */
export interface Allocator {
  /** Memory with any content. */
  take(length: number): Uint8Array
}

/** Memory that the garbage collector frees. */
export const heap: Allocator = { take: (length) => new Uint8Array(length) }

/** Joins bodies into one. Each but the last must end cleanly. A single body is returned as it is. */
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
 * Cuts a body at line ends into pieces of at most `limit` bytes, in order. Only a piece that is a single
 * line can be longer.
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
 * The position of the newline that ends the line at `start`. If there is none: `body.length` if a
 * newline put there would end the line, and more if it would not.
 *
 * @param known the length of the text that `body` begins: influxd takes a backslash for an escape only
 *   if two more bytes follow it
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

/** Finds the ends of lines, from the first to the last. */
export class LineFinder {
  private readonly body: Uint8Array
  /** The next quote and the next backslash. A line with neither ends at its first newline. */
  private quote = -1
  private backslash = -1

  constructor(body: Uint8Array) {
    this.body = body
  }

  /** The end of the line at `start`, which must not precede the line of an earlier call. */
  endOf(start: number): number {
    const { body } = this
    if (this.quote < start) this.quote = indexOf(body, QUOTE, start)
    if (this.backslash < start) this.backslash = indexOf(body, BACKSLASH, start)
    const newline = indexOf(body, NEWLINE, start)
    if (newline <= this.quote && newline <= this.backslash) return newline
    return Math.min(lineEnd(body, start, body.length), body.length)
  }
}

/** The position of the next such byte, or the end of the body. */
function indexOf(body: Uint8Array, byte: number, start: number): number {
  const position = body.indexOf(byte, start)
  return position < 0 ? body.length : position
}

/** Whether a newline after `body` would end its last line, which begins at `last`. */
export function endsCleanly(body: Uint8Array, last: number): boolean {
  const end = lineEnd(body, last, Number.POSITIVE_INFINITY)
  const hasNewline = body.length > 0 && body[body.length - 1] === NEWLINE
  return end === (hasNewline ? body.length - 1 : body.length)
}
