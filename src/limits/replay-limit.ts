/** Bounds on the delivery of a backend's writes from disk. Delivery from memory is not bounded by it. */

import type { Clock } from '../runtime.ts'
import { Semaphore } from './semaphore.ts'

/**
 * The lanes of a backend that may have a batch from disk in memory at one time. Bounds the memory of
 * delivery from disk, and its share of the relay's time.
 */
const MAX_LANES = 4

/** The longest delay of one timer. */
const MAX_TIMER_MS = 3_600_000

export class ReplayLimit extends Semaphore {
  private readonly clock: Clock
  private readonly bytesPerSecond: number
  /** When the rate allows the next batch, by the clock's `now`. */
  private nextAt = 0

  /** @param bytesPerSecond bytes of line protocol per second, 0 for no limit */
  constructor(clock: Clock, bytesPerSecond: number) {
    super(MAX_LANES)
    this.clock = clock
    this.bytesPerSecond = bytesPerSecond
  }

  /** Resolves when the rate allows this many bytes. */
  async pace(bytes: number): Promise<void> {
    if (this.bytesPerSecond === 0) return
    const start = Math.max(this.nextAt, this.clock.now())
    this.nextAt = start + (bytes * 1000) / this.bytesPerSecond
    for (let ms = start - this.clock.now(); ms > 0; ms = start - this.clock.now()) {
      await this.sleep(Math.min(Math.ceil(ms), MAX_TIMER_MS))
    }
  }

  private sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.clock.after(ms, resolve)
    })
  }
}
