/**
 * Timestamps for points that have none.
 *
 * The rules are those of influxd 1.x (`models/points.go`: scanKey, scanFields, scanTime): a point that
 * it would take gets a timestamp, and what it would reject stays as it is, so that its error quotes
 * the client's own line.
 */

import { BYTE, isDigit, isOneOf, KIND, skipPlain, skipWhitespace } from './line-bytes.ts'
import { type Allocator, heap } from './lines.ts'
import { Places } from './places.ts'
import { type ScannedLines, scan } from './scan.ts'

const { BACKSLASH, COMMA, EQUALS, MINUS, QUOTE, SPACE } = BYTE
const { IS_COMMA, IS_EQUALS, IS_NEWLINE, IS_SPACE } = KIND

/** A body of line protocol, ready to be sent. */
export interface StampedLines extends ScannedLines {
  /** Line protocol in which every point has a timestamp, as far as influxd would accept the point. */
  readonly bytes: Uint8Array
}

/** Noted for one body, then for the next. */
const places = new Places()

/**
 * Adds a timestamp to every point that has none and leaves all other bytes as they are.
 *
 * @param body line protocol as it came from a client
 * @param timestamp the timestamp in the unit of the request's precision; called once, and only if
 *   some point needs it
 * @param allocator for the new body, if a point needs a timestamp
 */
export function stamp(
  body: Uint8Array,
  timestamp: () => string,
  allocator: Allocator = heap,
): StampedLines {
  places.clear()
  const { count, endsCleanly } = scan(body, (start, end) => {
    if (!endsInTimestamp(body, start, end) && lacksTimestamp(body, start, end)) places.add(end)
  })
  if (places.length === 0) return { bytes: body, count, endsCleanly }
  const added = ascii(` ${timestamp()}`)
  const bytes = allocator.take(body.length + places.length * added.length)
  fill(body, places, added, bytes)
  return { bytes, count, endsCleanly }
}

/** Writes `body` with `timestamp` in every gap: the end of a line whose point has none. */
function fill(body: Uint8Array, gaps: Places, timestamp: Uint8Array, filled: Uint8Array): void {
  // The body goes to the end, and from there line by line to its places: so no line needs a view of
  // its own.
  const shift = filled.length - body.length
  filled.set(body, shift)
  let from = 0
  let to = 0
  for (let i = 0; i < gaps.length; i++) {
    const gap = gaps.at(i)
    filled.copyWithin(to, shift + from, shift + gap)
    to += gap - from
    for (let j = 0; j < timestamp.length; j++) filled[to++] = timestamp[j] as number
    from = gap
  }
}

/** Faster than a TextEncoder, for a few characters. */
function ascii(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length)
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i)
  return bytes
}

/** A quick test: a last word of digits is a timestamp, or stands in a line that influxd will reject. */
function endsInTimestamp(body: Uint8Array, start: number, end: number): boolean {
  let i = end - 1
  while (i > start && body[i] === SPACE) i--
  const last = i
  while (i > start && isDigit(body[i] as number)) i--
  if (i === last) return false
  if (body[i] === MINUS) i--
  return i > start && body[i] === SPACE && body[i - 1] !== BACKSLASH
}

/**
 * Whether influxd would take the point in [start, end) and give it its own "now".
 *
 * Not told of a line that ends in a backslash, which only the end of a body can: the backslash would
 * swallow the timestamp, and no spelling would leave the value as it is.
 */
function lacksTimestamp(body: Uint8Array, start: number, end: number): boolean {
  if (body[end - 1] === BACKSLASH) return false
  const key = keyEnd(body, start, end)
  if (key < 0) return false
  const fields = fieldsEnd(body, skipWhitespace(body, key, end), end)
  return fields >= 0 && skipWhitespace(body, fields, end) === end
}

/** The space behind measurement and tags, or -1 if influxd would reject them. */
function keyEnd(body: Uint8Array, start: number, end: number): number {
  if (body[start] === COMMA) return -1
  let i = unescaped(body, start + 1, end, IS_COMMA | IS_SPACE)
  while (i >= 0 && i < end && body[i] === COMMA) i = tagEnd(body, i + 1, end)
  return i < end ? i : -1
}

/** The comma or space behind the tag at `start`, or -1 if influxd would reject the tag. */
function tagEnd(body: Uint8Array, start: number, end: number): number {
  if (start >= end || isOneOf(body, start, IS_SPACE | IS_COMMA | IS_EQUALS)) return -1
  const equals = unescaped(body, start + 1, end, IS_SPACE | IS_COMMA | IS_EQUALS)
  if (equals >= end || body[equals] !== EQUALS) return -1
  const value = equals + 1
  if (value >= end || isOneOf(body, value, IS_COMMA | IS_SPACE)) return -1
  const i = unescaped(body, value + 1, end, IS_SPACE | IS_COMMA | IS_EQUALS)
  return i >= end || body[i] === EQUALS ? -1 : i
}

/**
 * The first byte of some kinds from `start` on, or `end`. In measurement and tags, unlike in fields,
 * a byte is escaped if the one before it is a backslash.
 */
function unescaped(body: Uint8Array, start: number, end: number, kinds: number): number {
  let i = start
  while (i < end && (!isOneOf(body, i, kinds) || body[i - 1] === BACKSLASH)) i++
  return i
}

/** The space behind the field set at `start`, or `end`, or -1 if influxd would reject the fields. */
function fieldsEnd(body: Uint8Array, start: number, end: number): number {
  let quoted = false
  let equals = 0
  let commas = 0
  let i = start
  for (;;) {
    i = skipPlain(body, i, end)
    if (i >= end) break
    const byte = body[i] as number
    if (byte === BACKSLASH && i + 1 < end) {
      i += 2
      continue
    }
    if (byte === QUOTE && equals > commas) {
      quoted = !quoted
    } else if (!quoted) {
      if (byte === SPACE) break
      if (byte === COMMA) commas++
      if (byte === EQUALS) {
        equals++
        if (lacksKey(body, i) || i + 1 >= end) return -1
        if (body[i + 1] !== QUOTE) {
          i = bareValueEnd(body, i + 1, end)
          if (i < 0) return -1
          continue
        }
      }
    }
    i++
  }
  return quoted || equals === 0 || commas !== equals - 1 ? -1 : i
}

/** Whether the field whose `=` is at `i` has no key. */
function lacksKey(body: Uint8Array, i: number): boolean {
  const before = body[i - 1]
  return (before === SPACE || before === COMMA) && body[i - 2] !== BACKSLASH
}

const BOOLEANS = new Set('t T true True TRUE f F false False FALSE'.split(' '))

/** Bytes that a number may have: 2 for those that it may begin with, 1 for the others. */
const NUMERIC = new Uint8Array(256)
for (const byte of new TextEncoder().encode('+eEiu')) NUMERIC[byte] = 1
for (const byte of new TextEncoder().encode('-.0123456789')) NUMERIC[byte] = 2

/**
 * The comma, space or newline behind the value at `start`, or `end`, or -1 if it is none. It counts as
 * none only if every InfluxDB 1.x rejects it, so that the error quotes the client's own line: a number
 * that is out of range or badly formed is a value.
 */
function bareValueEnd(body: Uint8Array, start: number, end: number): number {
  let i = start
  if (NUMERIC[body[i] as number] === 2) {
    while (i < end && NUMERIC[body[i] as number] !== 0) i++
    return i === end || isOneOf(body, i, IS_COMMA | IS_SPACE | IS_NEWLINE) ? i : -1
  }
  while (i < end && !isOneOf(body, i, IS_COMMA | IS_SPACE | IS_NEWLINE)) i++
  const isBoolean = i - start <= 5 && BOOLEANS.has(String.fromCharCode(...body.subarray(start, i)))
  return isBoolean ? i : -1
}
