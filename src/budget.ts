/** Bounds on memory: bytes that may be held at one time, and those that are. */

export class Budget {
  used = 0
  readonly limit: number

  constructor(limit: number) {
    this.limit = limit
  }

  take(bytes: number): boolean {
    if (this.used + bytes > this.limit) return false
    this.used += bytes
    return true
  }

  give(bytes: number): void {
    this.used -= bytes
  }
}

/** What one holder has taken of a budget. */
export class Reservation {
  private readonly budget: Budget
  private bytes = 0

  constructor(budget: Budget) {
    this.budget = budget
  }

  /** False, and nothing changes, if the budget has no room. */
  grow(bytes: number): boolean {
    if (!this.budget.take(bytes)) return false
    this.bytes += bytes
    return true
  }

  release(): void {
    this.budget.give(this.bytes)
    this.bytes = 0
  }
}
