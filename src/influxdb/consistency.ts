/** Consistency levels: how many backends must have a write before its client is answered 204. */

/**
 * The levels of InfluxDB Enterprise:
 * - `any`: one backend has the write, or the write is in one durable queue;
 * - `one`: one backend has it;
 * - `quorum`: more than half have it;
 * - `all`: all have it.
 */
export type ConsistencyLevel = 'any' | 'one' | 'quorum' | 'all'

/** From the weakest to the strongest. */
export const CONSISTENCY_LEVELS = ['any', 'one', 'quorum', 'all'] as const

/** Parses a level in upper or lower case, as influxd does; undefined if it is unknown. */
export function parseConsistency(text: string): ConsistencyLevel | undefined {
  return CONSISTENCY_LEVELS.find((level) => level === text.toLowerCase())
}

/** How many of `total` backends must have a write. */
export function backendsNeeded(level: ConsistencyLevel, total: number): number {
  if (level === 'all') return total
  return level === 'quorum' ? Math.floor(total / 2) + 1 : 1
}

/** The stronger of two levels. */
export function atLeast(floor: ConsistencyLevel, level: ConsistencyLevel): ConsistencyLevel {
  const strength = (one: ConsistencyLevel) => CONSISTENCY_LEVELS.indexOf(one)
  return strength(level) < strength(floor) ? floor : level
}
