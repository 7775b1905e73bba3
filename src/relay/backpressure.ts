/** Slows clients down to what the slowest backend that answers can take. */

import type { Clock } from '../runtime.ts'

/** How much more of its room may be taken at one backend than at another. */
const MAX_SPREAD = 1 / 16

/** The longest that one write is held up. */
const MAX_WAIT_MS = 250

const LOOK_EVERY_MS = 2

interface Follower {
  /** How much of its room waits for it, from 0 to 1; 0 for one that hangs. */
  readonly lag: number
}

interface Waiter {
  readonly until: number
  resolve(): void
}

/**
 * A client is told that its write is stored as soon as one backend has it, so nothing else keeps clients
 * from writing faster than the other backends can.
 */
export class Backpressure {
  private readonly clock: Clock
  private readonly followers: readonly Follower[]
  private waiting: Waiter[] = []

  constructor(clock: Clock, followers: readonly Follower[]) {
    this.clock = clock
    this.followers = followers
  }

  /** Resolves when the next write may be read; nothing if it may be at once, as a rule. */
  pause(): Promise<void> | undefined {
    if (!this.isAnyFarBehind()) return undefined
    return new Promise((resolve) => {
      this.waiting.push({ until: this.clock.now() + MAX_WAIT_MS, resolve })
      if (this.waiting.length === 1) this.lookSoon()
    })
  }

  private isAnyFarBehind(): boolean {
    let least = 1
    let most = 0
    for (const { lag } of this.followers) {
      least = Math.min(least, lag)
      most = Math.max(most, lag)
    }
    return most - least > MAX_SPREAD
  }

  private lookSoon(): void {
    this.clock.after(LOOK_EVERY_MS, () => this.look())
  }

  private look(): void {
    const now = this.isAnyFarBehind() ? this.clock.now() : Number.POSITIVE_INFINITY
    const waiting = this.waiting
    this.waiting = waiting.filter(({ until }) => until > now)
    if (this.waiting.length > 0) this.lookSoon()
    for (const { until, resolve } of waiting) if (until <= now) resolve()
  }
}
