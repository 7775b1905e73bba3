/** Timestamps for points that have none. */

import type { Answer } from './answer.ts'
import { type Allocator, heap } from './lines.ts'
import { Positions } from './positions.ts'
import { type ScannedLines, scan } from './scan.ts'

/** A body of line protocol, ready to be sent. */
export interface StampedLines extends ScannedLines {
  /** Line protocol in which every point has a timestamp that influxd would accept with one. */
  readonly bytes: Uint8Array
}

/** The ends of the points without a timestamp in one body, then in the next. */
const missing = new Positions()

/**
 * Adds a timestamp to every point that has none. All other bytes stay as they are. A line that influxd
 * rejects may get a timestamp: `withoutTimestamp` takes it out of the error.
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
  missing.clear()
  const { count, endsCleanly } = scan(body, (end) => missing.add(end))
  if (missing.length === 0) return { bytes: body, count, endsCleanly }
  const added = ascii(` ${timestamp()}`)
  const bytes = allocator.take(body.length + missing.length * added.length)
  insert(added, body, missing, bytes)
  return { bytes, count, endsCleanly }
}

/**
 * A server's error as the server would have answered to the client itself: influxd quotes each line that it
 * rejects, as in `unable to parse 'm,t= v=1 1700000000': missing tag value`.
 *
 * @param timestamp what `stamp` added
 */
export function withoutTimestamp(answer: Answer, timestamp: string): Answer {
  const cut = (text: string) => text.replaceAll(` ${timestamp}': `, "': ")
  const text = new TextDecoder().decode(answer.body)
  const body = cut(text)
  const error = answer.error && cut(answer.error)
  if (body === text && error === answer.error) return answer
  return { ...answer, body: new TextEncoder().encode(body), error }
}

/** Writes `body` to `target`, with `added` at each of some positions. */
function insert(
  added: Uint8Array,
  body: Uint8Array,
  positions: Positions,
  target: Uint8Array,
): void {
  // The body goes to the end of the target, and from there line by line to its position: so no line
  // needs a view of its own.
  const shift = target.length - body.length
  target.set(body, shift)
  let from = 0
  let to = 0
  for (let i = 0; i < positions.length; i++) {
    const position = positions.at(i)
    target.copyWithin(to, shift + from, shift + position)
    to += position - from
    for (let j = 0; j < added.length; j++) target[to++] = added[j] as number
    from = position
  }
}

/** Faster than a TextEncoder, for a few characters. */
function ascii(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length)
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i)
  return bytes
}
