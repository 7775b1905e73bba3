/** One pass over a body of line protocol: its points, and whether another body can follow it. */

import { BYTE, skipWhitespace } from './line-bytes.ts'
import { endsCleanly, LineFinder } from './lines.ts'
import { lacksTimestamp } from './missing-timestamp.ts'

const { HASH, NEWLINE } = BYTE

export interface ScannedLines {
  /** Lines that are neither blank nor comments. */
  readonly count: number
  /**
   * Whether another body can follow this one. An open string or a backslash at the end would make
   * influxd read the first line of the next body as part of this one.
   */
  readonly endsCleanly: boolean
}

/**
 * Reads a body without changing it.
 *
 * @param onMissing called with the end of each point that has no timestamp, in order; without it no
 *   line is searched for one
 */
export function scan(body: Uint8Array, onMissing?: (end: number) => void): ScannedLines {
  const lines = new LineFinder(body)
  let count = 0
  let last = 0
  for (let start = 0; start < body.length; ) {
    last = start
    if (body[start] === NEWLINE) {
      start++
      continue
    }
    const next = lines.endOf(start)
    // influxd cuts off the last newline of a body, even one inside a string.
    const end = next > start && body[next - 1] === NEWLINE ? next - 1 : next
    const first = skipWhitespace(body, start, end)
    if (first < end && body[first] !== HASH) {
      count++
      if (onMissing && lacksTimestamp(body, first, end)) onMissing(end)
    }
    start = next + 1
  }
  return { count, endsCleanly: endsCleanly(body, last) }
}
