/** The span of time that a body of line protocol covers. */

import { split } from './line.ts'
import { timestampIn } from './precision.ts'

const NEWLINE = 10
const SPACE = 32
const HASH = 35
const MINUS = 45
const EQUALS = 61
const BACKSLASH = 92

const HOUR_NS = 3_600_000_000_000n

/** The largest timestamp that influxd stores, and the smallest with a minus before it. */
const MAX_NS = 9_223_372_036_854_775_806n

/** No timestamp has more digits than this. */
const MAX_DIGITS = 19

/** In nanoseconds since the Unix epoch, both ends included. */
export interface TimeRange {
  readonly first: bigint
  readonly last: bigint
}

/**
 * The first and the last timestamp in a body, or undefined if no line of it has one. Lines whose
 * timestamp is missing or cannot be read are passed over.
 *
 * @param body line protocol in which every point is stamped
 * @param precision what the timestamps count; anything unknown stands for nanoseconds, as in influxd
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

/** The nanoseconds in one unit of a precision: every unit goes into an hour without remainder. */
function unitOf(precision: string): bigint {
  return HOUR_NS / BigInt(timestampIn(precision, HOUR_NS))
}

/** The last word of a line, if it consists of digits and the line could be a point. */
function timestampOf(line: Uint8Array): bigint | undefined {
  let end = line.length
  if (line[end - 1] === NEWLINE) end--
  while (line[end - 1] === SPACE) end--
  let start = end
  while (isDigit(line[start - 1])) start--
  if (start === end || end - start > MAX_DIGITS) return undefined
  if (line[start - 1] === MINUS) start--
  const apart = line[start - 1] === SPACE && line[start - 2] !== BACKSLASH
  if (!apart || isComment(line) || !line.subarray(0, start).includes(EQUALS)) return undefined
  return BigInt(String.fromCharCode(...line.subarray(start, end)))
}

function isComment(line: Uint8Array): boolean {
  let i = 0
  while (line[i] === SPACE || line[i] === 9 || line[i] === 0) i++
  return line[i] === HASH
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 48 && byte <= 57
}
