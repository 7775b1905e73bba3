/** Bounds on memory: bytes that may be held at one time, and those that are. */

export class Budget {
  /** What is held, without the overhead. */
  bytes = 0
  private holders = 0
  private readonly limit: number
  private readonly overhead: number

  /** @param overhead what each holder takes beside its bytes: a million tiny writes fill memory too */
  constructor(limit: number, overhead = 0) {
    this.limit = limit
    this.overhead = overhead
  }

  /** How much of the room is taken, from 0 to 1. */
  get share(): number {
    return (this.bytes + this.holders * this.overhead) / this.limit
  }

  hasRoomFor(bytes: number): boolean {
    return this.bytes + bytes + (this.holders + 1) * this.overhead <= this.limit
  }

  /** False, and nothing changes, if there is no room. */
  take(bytes: number): boolean {
    if (!this.hasRoomFor(bytes)) return false
    this.bytes += bytes
    this.holders++
    return true
  }

  give(bytes: number): void {
    this.bytes -= bytes
    this.holders--
  }
}

/** What one holder has taken of a budget without overhead, bit by bit. */
export class Reservation {
  private readonly budget: Budget
  private readonly parts: number[] = []

  constructor(budget: Budget) {
    this.budget = budget
  }

  hasRoomFor(bytes: number): boolean {
    return this.budget.hasRoomFor(bytes)
  }

  /** False, and nothing changes, if the budget has no room. */
  grow(bytes: number): boolean {
    if (!this.budget.take(bytes)) return false
    this.parts.push(bytes)
    return true
  }

  release(): void {
    for (const bytes of this.parts.splice(0)) this.budget.give(bytes)
  }
}
