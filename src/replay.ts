/** What bounds the delivery of a backend's writes from disk. Those in memory pass it by. */

import type { Clock } from './runtime.ts'
import { Slots, type Waiter } from './slots.ts'

/**
 * How many lanes of a backend may have a batch from disk in memory at one time. It bounds the memory that
 * a backlog takes, and the share of the relay's time.
 */
const MAX_LANES = 4

/** The longest that one timer runs. */
const MAX_WAIT_MS = 60_000

export class Replay extends Slots {
  private readonly clock: Clock
  private readonly bytesPerSecond: number
  /** When the rate lets the next batch go, by the clock's `now`. */
  private nextAt = 0
  private isTimed = false

  /** @param bytesPerSecond of line protocol, 0 for no limit */
  constructor(clock: Clock, bytesPerSecond: number) {
    super(MAX_LANES)
    this.clock = clock
    this.bytesPerSecond = bytesPerSecond
  }

  override hasRoomFor(waiter: Waiter): boolean {
    const waitMs = this.nextAt - this.clock.now()
    if (waitMs <= 0) return super.hasRoomFor(waiter)
    this.enqueue(waiter)
    this.wakeIn(waitMs)
    return false
  }

  /** So many bytes are being sent. */
  spend(bytes: number): void {
    if (this.bytesPerSecond === 0) return
    const earliest = Math.max(this.nextAt, this.clock.now())
    this.nextAt = earliest + (bytes * 1000) / this.bytesPerSecond
  }

  private wakeIn(ms: number): void {
    if (this.isTimed) return
    this.isTimed = true
    this.clock.after(Math.min(Math.ceil(ms), MAX_WAIT_MS), () => {
      this.isTimed = false
      this.wake()
    })
  }
}
