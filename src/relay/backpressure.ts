/** Slows clients down to the rate of the slowest backend that answers. */

import type { Clock } from '../runtime.ts'

/** How much more of its room one backend may have taken than another. */
const MAX_SPREAD = 1 / 16

/** The longest that one write is delayed. */
const MAX_WAIT_MS = 250

const CHECK_EVERY_MS = 2

interface Lagging {
  /** How full the room is for unanswered writes, from 0 to 1; 0 for a backend that hangs. */
  readonly lag: number
}

interface DelayedWrite {
  readonly until: number
  resolve(): void
}

/**
 * A client gets its answer as soon as one backend has stored its write. Nothing else keeps clients from
 * writing faster than the other backends can take it.
 */
export class Backpressure {
  private readonly clock: Clock
  private readonly backends: readonly Lagging[]
  private delayed: DelayedWrite[] = []

  constructor(clock: Clock, backends: readonly Lagging[]) {
    this.clock = clock
    this.backends = backends
  }

  /** Resolves when the next write may be read. Undefined, the usual case, if it may be read at once. */
  pause(): Promise<void> | undefined {
    if (!this.isSpreadTooWide()) return undefined
    return new Promise((resolve) => {
      this.delayed.push({ until: this.clock.now() + MAX_WAIT_MS, resolve })
      if (this.delayed.length === 1) this.scheduleCheck()
    })
  }

  private isSpreadTooWide(): boolean {
    let least = 1
    let most = 0
    for (const { lag } of this.backends) {
      least = Math.min(least, lag)
      most = Math.max(most, lag)
    }
    return most - least > MAX_SPREAD
  }

  private scheduleCheck(): void {
    this.clock.after(CHECK_EVERY_MS, () => this.check())
  }

  private check(): void {
    const now = this.isSpreadTooWide() ? this.clock.now() : Number.POSITIVE_INFINITY
    const { delayed } = this
    this.delayed = delayed.filter(({ until }) => until > now)
    if (this.delayed.length > 0) this.scheduleCheck()
    for (const { until, resolve } of delayed) if (until <= now) resolve()
  }
}
