/** A counting semaphore for which lanes wait in turn. */

export interface Waiter {
  /** Called when a permit may be free. */
  pump(): void
}

export class Semaphore {
  private free: number
  private readonly waiting = new Set<Waiter>()
  /** Goes on where the last call of a waiter was, and does not start over: thousands may wait. */
  private turns = this.waiting.values()

  constructor(count: number) {
    this.free = count
  }

  /** Whether a permit is free. If not, enqueues the waiter: its `pump` is called once one may be. */
  admitsOrEnqueues(waiter: Waiter): boolean {
    if (this.free > 0) return true
    this.waiting.add(waiter)
    return false
  }

  take(): void {
    this.free--
  }

  /** Calls waiters in order of arrival until one has taken the permit. */
  give(): void {
    this.free++
    while (this.free > 0 && this.waiting.size > 0) {
      const { value: waiter } = this.turns.next()
      if (waiter && this.waiting.delete(waiter)) waiter.pump()
      else this.turns = this.waiting.values()
    }
  }

  dequeue(waiter: Waiter): void {
    this.waiting.delete(waiter)
  }
}
