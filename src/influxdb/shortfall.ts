/** What a server has left out of a write, as far as its answer says. */

import { type Answer, messageOf } from './answer.ts'
import type { Write } from './write.ts'

export interface Shortfall {
  /** At most as many points are missing. */
  readonly points: number
  /** Why, in the server's words. Two servers that give the same cause leave out the same points. */
  readonly cause: string
}

/** The shortfall of a server that has stored the whole write. */
export const NOTHING_MISSING: Shortfall = { points: 0, cause: '' }

/**
 * Reads influxd's answer to a write that it did not take whole.
 *
 * influxd counts the points that its store has dropped, in `partial write: … dropped=2`, and names each
 * line that it could not parse. Any other rejection counts as one of the whole write.
 *
 * @param points how many points the write has at most
 */
export function shortfallOf(answer: Answer, points: number): Shortfall {
  return {
    points: Math.min(missingPoints(answer) ?? points, points),
    cause: `${answer.status} ${withoutVariables(messageOf(answer))}`,
  }
}

/**
 * Whether a rejected write left nothing behind. Any other rejection may have stored some points, so other
 * servers must still get the write.
 */
export function leftNothing(
  answer: Answer,
  { kind, points }: Pick<Write, 'kind' | 'points'>,
): boolean {
  if (answer.status === 413) return true
  if (answer.status !== 400) return false
  if (kind === 'remote-write') return isUndecodable(answer)
  return isUnparsable(answer) || (missingPoints(answer) ?? 0) >= points.count
}

/** How many points a server lacks, at most, that another one has. */
export function lackedPoints(one: Shortfall, other: Shortfall, points: number): number {
  if (one.cause === other.cause) return Math.max(0, one.points - other.points)
  return Math.min(one.points, points - other.points)
}

/** influxd could not parse any point. */
function isUnparsable(answer: Answer): boolean {
  return /^({"error":")?unable to parse/.test(messageOf(answer))
}

/** influxd could not read a remote write: neither Snappy nor protobuf. */
function isUndecodable(answer: Answer): boolean {
  return /^({"error":")?(snappy: |proto: |unexpected EOF)/.test(messageOf(answer))
}

/** The number of points that a partial write lacks; undefined if the answer does not say. */
function missingPoints(answer: Answer): number | undefined {
  // The count is at the end, and influxd cuts the header after 1024 bytes.
  const text = answer.body.length > 0 ? new TextDecoder().decode(answer.body) : messageOf(answer)
  const [, count] = /partial write: .* dropped=(\d+)/s.exec(text) ?? []
  if (count === undefined) return undefined
  // influxd counts no line that it could not parse.
  return Math.max(Number(count) || text.split("unable to parse '").length - 1, 1)
}

/** Counts and times differ between servers that leave out points for the same reason. */
function withoutVariables(message: string): string {
  return message
    .replace(/dropped[ =]\d+/g, 'dropped')
    .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, 'TIME')
    .replace(/\s*"?\}?$/, '')
}
