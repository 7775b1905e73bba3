/** The span of time that a body of line protocol covers. */

import { BYTE, isDigit, skipWhitespace } from './line-bytes.ts'
import { split } from './lines.ts'
import { timestampIn } from './precision.ts'

const { BACKSLASH, EQUALS, HASH, MINUS, NEWLINE, SPACE } = BYTE

const HOUR_NS = 3_600_000_000_000n

/** The largest timestamp that influxd stores, and the smallest with a minus before it. */
const MAX_NS = 9_223_372_036_854_775_806n

/** A timestamp that influxd stores has no more digits. */
const MAX_DIGITS = 19

/** Nanoseconds since the Unix epoch, both ends included. */
export interface TimeRange {
  readonly first: bigint
  readonly last: bigint
}

/**
 * The first and the last timestamp in a body, or undefined if no line has one. Lines whose timestamp
 * is missing or malformed are skipped.
 *
 * @param precision the unit of the timestamps; an unknown one means nanoseconds, as in influxd
 */
export function timeRangeOf(body: Uint8Array, precision: string): TimeRange | undefined {
  const unit = unitOf(precision)
  const max = MAX_NS / unit
  let first: bigint | undefined
  let last: bigint | undefined
  for (const line of split(body, 1)) {
    const timestamp = timestampOf(line)
    if (timestamp === undefined || timestamp > max || timestamp < -max) continue
    if (first === undefined || timestamp < first) first = timestamp
    if (last === undefined || timestamp > last) last = timestamp
  }
  if (first === undefined || last === undefined) return undefined
  return { first: first * unit, last: last * unit }
}

/** The nanoseconds in one unit of a precision. An hour is a whole number of every unit. */
function unitOf(precision: string): bigint {
  return HOUR_NS / BigInt(timestampIn(precision, HOUR_NS))
}

function timestampOf(line: Uint8Array): bigint | undefined {
  const position = timestampPosition(line)
  if (!position) return undefined
  return BigInt(String.fromCharCode(...line.subarray(position.start, position.end)))
}

/** Where the last word of a line is, if it consists of digits and the line can be a point. */
export function timestampPosition(line: Uint8Array): { start: number; end: number } | undefined {
  let end = line.length
  if (line[end - 1] === NEWLINE) end--
  while (line[end - 1] === SPACE) end--
  let start = end
  while (start > 0 && isDigit(line[start - 1] as number)) start--
  if (start === end || end - start > MAX_DIGITS) return undefined
  if (line[start - 1] === MINUS) start--
  const isWord = line[start - 1] === SPACE && line[start - 2] !== BACKSLASH
  const isComment = line[skipWhitespace(line, 0, line.length)] === HASH
  if (!isWord || isComment || !line.subarray(0, start).includes(EQUALS)) return undefined
  return { start, end }
}
