/** Line protocol with its timestamps in a smaller unit. */

import { join, split } from './lines.ts'
import { timestampPosition } from './time-range.ts'

/**
 * Multiplies every timestamp. Lines without one, or with one that is malformed, stay as they are.
 *
 * @param factor how many of the smaller unit make one of the given
 */
export function scaleTimestamps(body: Uint8Array, factor: bigint): Uint8Array {
  const encoder = new TextEncoder()
  const lines = split(body, 1).map((line) => {
    const position = timestampPosition(line)
    if (!position) return line
    const { start, end } = position
    const timestamp = BigInt(String.fromCharCode(...line.subarray(start, end)))
    const scaled = encoder.encode(String(timestamp * factor))
    const rest = line.subarray(end)
    const copy = new Uint8Array(start + scaled.length + rest.length)
    copy.set(line.subarray(0, start))
    copy.set(scaled, start)
    copy.set(rest, start + scaled.length)
    return copy
  })
  return join(lines)
}
