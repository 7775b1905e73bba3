/** Long computations, one after another, between which everything else has its turn. */

import type { Clock } from '../runtime.ts'

export class Turns {
  private readonly clock: Clock
  private last = Promise.resolve()

  constructor(clock: Clock) {
    this.clock = clock
  }

  /**
   * Resolves when a computation may begin. Without this, many that are ready at the same time would run in a
   * row, and a small request that came behind them would wait for all.
   */
  next(): Promise<void> {
    this.last = this.last.then(() => new Promise((resolve) => void this.clock.after(0, resolve)))
    return this.last
  }
}
