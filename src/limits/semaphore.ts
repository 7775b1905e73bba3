/** A number of places for which lanes wait in turn. */

/** What waits: it is told to look again. */
export interface Waiter {
  pump(): void
}

export class Semaphore {
  private free: number
  private readonly waiting = new Set<Waiter>()

  constructor(count: number) {
    this.free = count
  }

  /** Whether there is a place to take now. If not, the waiter's `pump` is called when there may be. */
  hasRoomFor(waiter: Waiter): boolean {
    if (this.free > 0) return true
    this.waiting.add(waiter)
    return false
  }

  take(): void {
    this.free--
  }

  /** First come, first served; who has no use for the place leaves it to the next. */
  give(): void {
    this.free++
    for (const waiter of [...this.waiting]) {
      if (this.free === 0) return
      this.waiting.delete(waiter)
      waiter.pump()
    }
  }

  /** Nobody need call it any more. */
  forget(waiter: Waiter): void {
    this.waiting.delete(waiter)
  }
}
