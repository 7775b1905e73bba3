/** Lets lanes retry one after another while their backend does not answer. */

import type { Clock } from '../runtime.ts'
import type { Waiter } from './semaphore.ts'

/** Between two retries of a backend that does not answer. As long as the first delay of a lane's backoff. */
const PAUSE_MS = 500

/**
 * Ten thousand lanes that retry at a time of their own would make a thousand attempts a second, although one
 * shows whether the backend answers again.
 */
export class RetryGate {
  private readonly clock: Clock
  private readonly waiting = new Set<Waiter>()
  private isOpen = true
  /** When the next lane may retry while the gate is closed, by the clock's `now`. */
  private nextAt = 0
  private isTimerSet = false

  constructor(clock: Clock) {
    this.clock = clock
  }

  /** Whether a lane may retry now. If not, enqueues it: its `pump` is called once it may. */
  admitsOrEnqueues(lane: Waiter): boolean {
    if (this.isOpen || this.clock.now() >= this.nextAt) return true
    this.waiting.add(lane)
    this.setTimer()
    return false
  }

  /** A lane retries. */
  take(): void {
    this.nextAt = this.clock.now() + PAUSE_MS
  }

  /** The backend has not answered. */
  close(): void {
    this.isOpen = false
  }

  /** The backend has answered: all lanes that wait may retry. */
  open(): void {
    if (this.isOpen) return
    this.isOpen = true
    const lanes = [...this.waiting]
    this.waiting.clear()
    for (const lane of lanes) lane.pump()
  }

  dequeue(lane: Waiter): void {
    this.waiting.delete(lane)
  }

  private setTimer(): void {
    if (this.isTimerSet) return
    this.isTimerSet = true
    this.clock.after(this.nextAt - this.clock.now(), () => {
      this.isTimerSet = false
      const [lane] = this.waiting
      if (!lane) return
      this.waiting.delete(lane)
      lane.pump()
      if (this.waiting.size > 0) this.setTimer()
    })
  }
}
