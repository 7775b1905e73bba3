/** Timers that share one: for the many deadlines that nearly always are met. */

import type { Clock } from '../runtime.ts'

/** A callback comes up to two of these late, but never early. */
const TICK_MS = 250

interface Timer {
  readonly dueTick: number
  readonly callback: () => void
}

/** A `Clock.after` that costs a small part of a runtime's own timer. */
export function coarseTimers(clock: Clock): Clock['after'] {
  const timers = new Set<Timer>()
  let tick = 0
  let isTicking = false

  function onTick(): void {
    tick++
    for (const timer of timers) {
      if (timer.dueTick > tick) continue
      timers.delete(timer)
      timer.callback()
    }
    isTicking = timers.size > 0
    if (isTicking) clock.after(TICK_MS, onTick)
  }

  return (delayMs, callback) => {
    const timer = { dueTick: tick + 1 + Math.ceil(delayMs / TICK_MS), callback }
    timers.add(timer)
    if (!isTicking) {
      isTicking = true
      clock.after(TICK_MS, onTick)
    }
    return () => {
      timers.delete(timer)
    }
  }
}
