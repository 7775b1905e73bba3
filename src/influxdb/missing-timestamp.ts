/**
 * Finds points without a timestamp.
 *
 * The rules are those of influxd 1.x (`models/points.go`: scanKey, scanFields, scanTime).
 */

import { BYTE, isOneOf, KIND, skipPlain, skipWhitespace } from './line-bytes.ts'

const { BACKSLASH, COMMA, EQUALS, QUOTE, SPACE } = BYTE
const { IS_COMMA, IS_EQUALS, IS_NEWLINE, IS_SPACE } = KIND

/**
 * Whether the point in [start, end) lacks a timestamp.
 *
 * A line whose last word ends in `=` and a number lacks one, whatever precedes it: to check the rest would
 * take most of the time of a large write, and a line that influxd rejects it also rejects with a timestamp.
 * Any other line lacks one if influxd would accept it and stamp it with the current time.
 *
 * False for a line that ends in a backslash, as only the last line of a body can: the backslash would
 * escape the space before a timestamp.
 *
 * @param start a byte that is not white space and does not begin a comment
 * @param end the end of the line
 */
export function lacksTimestamp(body: Uint8Array, start: number, end: number): boolean {
  let i = end - 1
  while (i > start && body[i] === SPACE) i--
  const last = i
  while (i > start && ((VALUES[body[i] as number] as number) & IN_NUMBER) !== 0) i--
  if (i < last) {
    if (body[i] === EQUALS) return true
    // A timestamp, or else influxd rejects the line.
    if (body[i] === SPACE && body[i - 1] !== BACKSLASH) return false
  }
  if (body[end - 1] === BACKSLASH) return false
  const key = keyEnd(body, start, end)
  if (key < 0) return false
  const fields = fieldsEnd(body, skipWhitespace(body, key, end), end)
  return fields >= 0 && skipWhitespace(body, fields, end) === end
}

/** The space after measurement and tags, or -1 if influxd would reject them. */
function keyEnd(body: Uint8Array, start: number, end: number): number {
  if (body[start] === COMMA) return -1
  let i = unescaped(body, start + 1, end, IS_COMMA | IS_SPACE)
  while (i >= 0 && i < end && body[i] === COMMA) i = tagEnd(body, i + 1, end)
  return i < end ? i : -1
}

/** The comma or space after the tag at `start`, or -1 if influxd would reject the tag. */
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

/** The space after the field set at `start`, or `end`, or -1 if influxd would reject the fields. */
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
const MAX_BOOLEAN_BYTES = 5

const IN_NUMBER = 1
const BEGINS_NUMBER = 2
const BEGINS_BOOLEAN = 4

/** What each byte means in a value; 0 for most. */
const VALUES = new Uint8Array(256)
const encoder = new TextEncoder()
for (const byte of encoder.encode('+eEiu')) VALUES[byte] = IN_NUMBER
for (const byte of encoder.encode('-.0123456789')) VALUES[byte] = IN_NUMBER | BEGINS_NUMBER
for (const byte of encoder.encode('tTfF')) VALUES[byte] = BEGINS_BOOLEAN

/**
 * The comma, space or newline after the number or boolean at `start`, or `end`. -1 if every InfluxDB
 * 1.x would reject the value: a number out of range or with digits missing counts, since versions differ.
 */
function bareValueEnd(body: Uint8Array, start: number, end: number): number {
  const meaning = VALUES[body[start] as number] as number
  let i = start + 1
  if ((meaning & BEGINS_NUMBER) !== 0) {
    while (i < end && ((VALUES[body[i] as number] as number) & IN_NUMBER) !== 0) i++
    return i === end || isOneOf(body, i, IS_COMMA | IS_SPACE | IS_NEWLINE) ? i : -1
  }
  if ((meaning & BEGINS_BOOLEAN) === 0) return -1
  while (i < end && !isOneOf(body, i, IS_COMMA | IS_SPACE | IS_NEWLINE)) i++
  return BOOLEANS.has(text(body, start, Math.min(i, start + MAX_BOOLEAN_BYTES + 1))) ? i : -1
}

function text(body: Uint8Array, start: number, end: number): string {
  let text = ''
  for (let i = start; i < end; i++) text += String.fromCharCode(body[i] as number)
  return text
}
