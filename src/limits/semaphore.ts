/** A counting semaphore for which lanes wait in turn. */

export interface Waiter {
  /** Called when a permit may be free. */
  pump(): void
}

export class Semaphore {
  private free: number
  private readonly waiting = new Set<Waiter>()

  constructor(count: number) {
    this.free = count
  }

  /** Whether a permit is free. If not, the waiter's `pump` is called once one may be. */
  hasRoomFor(waiter: Waiter): boolean {
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
    for (const waiter of [...this.waiting]) {
      if (this.free === 0) return
      this.waiting.delete(waiter)
      waiter.pump()
    }
  }

  /** The waiter need not be called any more. */
  forget(waiter: Waiter): void {
    this.waiting.delete(waiter)
  }
}
