/** The system's clocks. */

import type { Clock } from '../runtime.ts'

const NANOSECONDS_IN_MS = 1_000_000n

/** How far the two clocks may drift apart before the fine one is set to the coarse one. */
const MAX_DRIFT_NS = 2n * NANOSECONDS_IN_MS

/** Backward steps of the system's clock up to this size are waited out; larger ones are followed. */
const MAX_WAIT_NS = 1_000_000_000n

/**
 * @param wallMs milliseconds since the Unix epoch
 * @param monotonicMs milliseconds since any start, with a fraction; never goes back
 */
export function createClock(wallMs: () => number, monotonicMs: () => number): Clock {
  let anchorWall = 0n
  let anchorMonotonic = 0
  let last = 0n

  const wallNanoseconds = () => {
    const wall = BigInt(wallMs()) * NANOSECONDS_IN_MS
    const monotonic = monotonicMs()
    let now = anchorWall + BigInt(Math.round((monotonic - anchorMonotonic) * 1e6))
    const drift = now - wall
    if (drift > MAX_DRIFT_NS || drift < -MAX_DRIFT_NS) {
      anchorWall = wall
      anchorMonotonic = monotonic
      now = wall
    }
    // Points of two writes in the same instant must not overwrite each other.
    if (now <= last && last - now < MAX_WAIT_NS) now = last + 1n
    last = now
    return now
  }

  return {
    now: monotonicMs,
    wallNanoseconds,
    after(delayMs, callback) {
      // Node and Bun print a warning for a delay below zero.
      const timer = setTimeout(callback, Math.max(0, delayMs))
      return () => clearTimeout(timer)
    },
  }
}
