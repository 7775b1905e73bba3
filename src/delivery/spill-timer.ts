/** How long a backend may take over a write that another has stored before the disk gets it. */

import type { Clock } from '../runtime.ts'
import type { Entry } from './queued-write.ts'

const GRACE_MS = 10

/** One timer for all the writes of a lane, so that each gets its time and none a timer of its own. */
export class Grace {
  /** Whether the backend has last taken longer: it will again, so nothing is gained by waiting. */
  isSpent = false
  private readonly clock: Clock
  private readonly kept: () => Iterable<Entry>
  private readonly onOver: () => void
  private cancel: (() => void) | undefined

  /**
   * @param kept the writes that must not be lost and are only in memory
   * @param onOver called when one of them has been that long enough
   */
  constructor(clock: Clock, kept: () => Iterable<Entry>, onOver: () => void) {
    this.clock = clock
    this.kept = kept
    this.onOver = onOver
  }

  /** To be called when a write becomes one of those. */
  start(): void {
    this.wait(GRACE_MS)
  }

  /** The backend has answered a request. */
  answered(afterMs: number): void {
    this.isSpent = afterMs > GRACE_MS
  }

  stop(): void {
    this.cancel?.()
    this.cancel = undefined
  }

  private wait(ms: number): void {
    this.cancel ??= this.clock.after(ms, () => this.look())
  }

  private look(): void {
    this.cancel = undefined
    let since = Number.POSITIVE_INFINITY
    for (const { keptAt } of this.kept()) since = Math.min(since, keptAt)
    const left = since + GRACE_MS - this.clock.now()
    if (left <= 0) {
      this.isSpent = true
      this.onOver()
    } else if (left < Number.POSITIVE_INFINITY) this.wait(left)
  }
}
