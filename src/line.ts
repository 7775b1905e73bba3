/**
 * Line protocol, read just far enough to find where points end and which of them lack a timestamp.
 *
 * The rules are those of influxd 1.x (`models/points.go`: scanLine, scanKey, scanFields, scanTime), with
 * its surprises: a backslash outside a string joins a line with the next, a comment with an odd number
 * of quotes swallows what follows, and white space is a space, a tab or a NUL. Nothing is decoded, so
 * bytes that are not UTF-8 pass through unchanged.
 */

const NEWLINE = 10
const SPACE = 32
const QUOTE = 34
const HASH = 35
const COMMA = 44
const MINUS = 45
const EQUALS = 61
const BACKSLASH = 92

/** What each byte may mean; 0 for most. */
const KINDS = new Uint8Array(256)
const IS_COMMA = 1
const IS_SPACE = 2
const IS_EQUALS = 4
const IS_NEWLINE = 8
const IS_OTHER = 16
KINDS[COMMA] = IS_COMMA
KINDS[SPACE] = IS_SPACE
KINDS[EQUALS] = IS_EQUALS
KINDS[NEWLINE] = IS_NEWLINE
for (const byte of [QUOTE, BACKSLASH]) KINDS[byte] = IS_OTHER

/** A body of line protocol, ready to be sent. */
export interface Points {
  /** Line protocol in which every point has a timestamp, as far as influxd would accept the point. */
  readonly bytes: Uint8Array
  /** Lines that are neither blank nor comments. */
  readonly count: number
  /**
   * Whether another body can follow this one. An open string or a backslash at the end would make
   * influxd read the first line of the next body as part of this one.
   */
  readonly closed: boolean
}

/**
 * Adds a timestamp to every point that has none and leaves all other bytes as they are.
 *
 * @param body line protocol as it came from a client
 * @param timestamp the timestamp in the unit of the request's precision; asked for once, and only if
 *   some point needs it
 * @param take gives memory of a length, with any content
 */
export function stamp(body: Uint8Array, timestamp: () => string, take = create): Points {
  const gaps: number[] = []
  const lines = new LineFinder(body)
  let count = 0
  let start = 0
  let last = 0
  let lacking = true
  while (start < body.length) {
    last = start
    // Points without a timestamp come in company.
    const plain = lacking ? plainEnd(body, start) : -1
    if (plain >= 0) {
      count++
      gaps.push(plain)
      start = plain + 1
      continue
    }
    const next = lines.endOf(start)
    // A newline that the scanner took to be inside a string is cut off all the same at the very end.
    const end = next > start && body[next - 1] === NEWLINE ? next - 1 : next
    const first = skipWhitespace(body, start, end)
    if (first < end && body[first] !== HASH) {
      count++
      lacking = !endsInTimestamp(body, first, end) && lacksTimestamp(body, first, end)
      if (lacking) gaps.push(end)
    }
    start = next + 1
  }
  const closed = isClosed(body, last)
  return { bytes: gaps.length > 0 ? fill(body, gaps, timestamp(), take) : body, count, closed }
}

/** One body out of several, or the very one. Each but the last must be `closed`. */
export function join(bodies: readonly Uint8Array[], take = create): Uint8Array {
  if (bodies.length === 1) return bodies[0] as Uint8Array
  let length = 0
  for (const body of bodies) length += body.length + 1
  const joined = take(length)
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
 * Cuts a body at line ends into pieces of at most `limit` bytes, in order. A piece is longer only if it
 * is one line that is itself too long; blank lines and comments at a cut stay with their neighbours.
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
    while (i < body.length && KINDS[body[i] as number] === 0) i++
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
class LineFinder {
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

/** Whether the last line of `body`, at `last`, would end with a newline put behind it. */
function isClosed(body: Uint8Array, last: number): boolean {
  const end = lineEnd(body, last, Number.POSITIVE_INFINITY)
  const ended = body.length > 0 && body[body.length - 1] === NEWLINE
  return end === (ended ? body.length - 1 : body.length)
}

/**
 * The end of the line at `start` if it is a point of the most usual kind that lacks a timestamp: one that
 * has no escapes, strings, or spaces to spare. Else -1, and it takes a longer look to tell.
 */
function plainEnd(body: Uint8Array, start: number): number {
  if (body[start] === HASH || (body[start] as number) <= SPACE) return -1
  let i = wordEnd(body, start)
  while (i > 0 && body[i] === COMMA) {
    i = wordEnd(body, i + 1)
    if (i > 0 && body[i] === EQUALS) i = wordEnd(body, i + 1)
    else return -1
  }
  if (i < 0 || body[i] !== SPACE) return -1
  do {
    i = wordEnd(body, i + 1)
    if (i < 0 || body[i] !== EQUALS || i + 1 === body.length) return -1
    i = bareValueEnd(body, i + 1, body.length)
  } while (i > 0 && body[i] === COMMA)
  return i === body.length || body[i] === NEWLINE ? i : -1
}

/** The byte behind the word at `start` that has a meaning, or the end of the body; -1 if there is no word. */
function wordEnd(body: Uint8Array, start: number): number {
  let i = start
  while (i < body.length && KINDS[body[i] as number] === 0) i++
  return i > start ? i : -1
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
 * The first byte of some kinds from `start` on, or `end`. In measurement and tags, unlike in fields, a byte
 * is escaped if the one before it is a backslash.
 */
function unescaped(body: Uint8Array, start: number, end: number, kinds: number): number {
  let i = start
  while (i < end && (!isOneOf(body, i, kinds) || body[i - 1] === BACKSLASH)) i++
  return i
}

function isOneOf(body: Uint8Array, i: number, kinds: number): boolean {
  return ((KINDS[body[i] as number] as number) & kinds) !== 0
}

/** The space behind the field set at `start`, or `end`, or -1 if influxd would reject the fields. */
function fieldsEnd(body: Uint8Array, start: number, end: number): number {
  let quoted = false
  let equals = 0
  let commas = 0
  let i = start
  for (;;) {
    while (i < end && KINDS[body[i] as number] === 0) i++
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
 * The comma, space or newline behind the value at `start`, or `end`, or -1 if it is none. It counts as none only if
 * every InfluxDB 1.x rejects it, so that the error quotes the client's own line: a number that is out of
 * range or badly formed is a value.
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

function skipWhitespace(body: Uint8Array, start: number, end: number): number {
  let i = start
  while (i < end && (body[i] === SPACE || body[i] === 9 || body[i] === 0)) i++
  return i
}

function isDigit(byte: number): boolean {
  return byte >= 48 && byte <= 57
}

/** Faster than a TextEncoder, for a few characters. */
function ascii(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length)
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i)
  return bytes
}

function create(length: number): Uint8Array {
  return new Uint8Array(length)
}

/** `body` with a timestamp in every gap: the end of a line whose point has none. */
function fill(
  body: Uint8Array,
  gaps: readonly number[],
  timestamp: string,
  take: typeof create,
): Uint8Array {
  const bytes = ascii(` ${timestamp}`)
  const filled = take(body.length + gaps.length * bytes.length)
  // The body goes to the end, and from there line by line to its places: so no line needs a view of its own.
  const shift = filled.length - body.length
  filled.set(body, shift)
  let from = 0
  let to = 0
  for (const gap of gaps) {
    filled.copyWithin(to, shift + from, shift + gap)
    to += gap - from
    for (let i = 0; i < bytes.length; i++) filled[to++] = bytes[i] as number
    from = gap
  }
  return filled
}
