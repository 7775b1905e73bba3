/** How many backends must have a write before its client is told that it is stored. */

/**
 * InfluxDB Enterprise's levels:
 * - `any`: one has it, or it is durably queued for one;
 * - `one`: one has it;
 * - `quorum`: more than half have it;
 * - `all`: all have it.
 */
export type ConsistencyLevel = 'any' | 'one' | 'quorum' | 'all'

export const CONSISTENCY_LEVELS = ['any', 'one', 'quorum', 'all'] as const

/** Reads a level as influxd does, in any case; undefined if it is none. */
export function parseConsistency(text: string): ConsistencyLevel | undefined {
  return CONSISTENCY_LEVELS.find((level) => level === text.toLowerCase())
}

/** The backends, of `total`, that must have a write. */
export function backendsNeeded(level: ConsistencyLevel, total: number): number {
  if (level === 'all') return total
  return level === 'quorum' ? Math.floor(total / 2) + 1 : 1
}
