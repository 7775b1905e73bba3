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
 */
export function stamp(body: Uint8Array, timestamp: () => string): Points {
  const gaps: number[] = []
  let count = 0
  let start = 0
  let last = 0
  while (start < body.length) {
    last = start
    const next = Math.min(lineEnd(body, start, body.length), body.length)
    // A newline that the scanner took to be inside a string is cut off all the same at the very end.
    const end = next > start && body[next - 1] === NEWLINE ? next - 1 : next
    const first = skipWhitespace(body, start, end)
    if (first < end && body[first] !== HASH) {
      count++
      if (!endsInTimestamp(body, first, end) && lacksTimestamp(body, first, end)) gaps.push(end)
    }
    start = next + 1
  }
  const closed = isClosed(body, last)
  return { bytes: gaps.length > 0 ? fill(body, gaps, timestamp()) : body, count, closed }
}

/** One body out of several. Each but the last must be `closed`. */
export function join(bodies: readonly Uint8Array[]): Uint8Array {
  if (bodies.length === 1) return bodies[0] as Uint8Array
  let length = 0
  for (const body of bodies) length += body.length + 1
  const joined = new Uint8Array(length)
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
  while (i < body.length) {
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

/** Whether the last line of `body`, at `last`, would end with a newline put behind it. */
function isClosed(body: Uint8Array, last: number): boolean {
  const end = lineEnd(body, last, Number.POSITIVE_INFINITY)
  const ended = body.length > 0 && body[body.length - 1] === NEWLINE
  return end === (ended ? body.length - 1 : body.length)
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
  let i = start + 1
  while (i < end && !isUnescaped(body, i, COMMA) && !isUnescaped(body, i, SPACE)) i++
  while (i >= 0 && i < end && body[i] === COMMA) i = tagEnd(body, i + 1, end)
  return i < end ? i : -1
}

/** The comma or space behind the tag at `start`, or -1 if influxd would reject the tag. */
function tagEnd(body: Uint8Array, start: number, end: number): number {
  let i = start
  if (i >= end || body[i] === SPACE || body[i] === COMMA || body[i] === EQUALS) return -1
  do {
    i++
    if (i >= end || isUnescaped(body, i, SPACE) || isUnescaped(body, i, COMMA)) return -1
  } while (!isUnescaped(body, i, EQUALS))
  i++
  if (i >= end || body[i] === COMMA || body[i] === SPACE) return -1
  do {
    i++
    if (i >= end || isUnescaped(body, i, EQUALS)) return -1
  } while (!isUnescaped(body, i, COMMA) && !isUnescaped(body, i, SPACE))
  return i
}

/** In measurement and tags, unlike in fields, a byte is escaped if the one before it is a backslash. */
function isUnescaped(body: Uint8Array, i: number, byte: number): boolean {
  return body[i] === byte && body[i - 1] !== BACKSLASH
}

/** The space behind the field set at `start`, or `end`, or -1 if influxd would reject the fields. */
function fieldsEnd(body: Uint8Array, start: number, end: number): number {
  let quoted = false
  let equals = 0
  let commas = 0
  let i = start
  while (i < end) {
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
        const bare = i + 1 < end && body[i + 1] !== QUOTE
        if (lacksKey(body, i) || (bare ? !isBareValue(body, i + 1, end) : i + 1 >= end)) return -1
        if (bare) {
          i = bareValueEnd(body, i + 1, end)
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

function bareValueEnd(body: Uint8Array, start: number, end: number): number {
  let i = start
  while (i < end && body[i] !== COMMA && body[i] !== SPACE) i++
  return i
}

const BOOLEANS = new Set('t T true True TRUE f F false False FALSE'.split(' '))

/**
 * False only for a value that every InfluxDB 1.x rejects, so that its error quotes the client's own
 * line. A number that is out of range or badly formed counts as a value.
 */
function isBareValue(body: Uint8Array, start: number, end: number): boolean {
  const stop = bareValueEnd(body, start, end)
  if (stop === start) return false
  const text = String.fromCharCode(...body.subarray(start, Math.min(stop, start + 64)))
  return BOOLEANS.has(text) || /^[-.0-9][-+.0-9eEiu]*$/.test(text)
}

function skipWhitespace(body: Uint8Array, start: number, end: number): number {
  let i = start
  while (i < end && (body[i] === SPACE || body[i] === 9 || body[i] === 0)) i++
  return i
}

function isDigit(byte: number): boolean {
  return byte >= 48 && byte <= 57
}

/** `body` with a timestamp in every gap: the end of a line whose point has none. */
function fill(body: Uint8Array, gaps: readonly number[], timestamp: string): Uint8Array {
  const bytes = new TextEncoder().encode(` ${timestamp}`)
  const filled = new Uint8Array(body.length + gaps.length * bytes.length)
  let from = 0
  let to = 0
  for (const gap of gaps) {
    filled.set(body.subarray(from, gap), to)
    to += gap - from
    filled.set(bytes, to)
    to += bytes.length
    from = gap
  }
  filled.set(body.subarray(from), to)
  return filled
}
