/** A bound on the bytes that may be in memory at one time. */

export class Budget {
  /** Bytes taken, without the overhead. */
  bytes = 0
  private takers = 0
  /** What takers took beyond their bytes and the overhead. */
  private extra = 0
  private readonly limit: number
  private readonly overhead: number

  /** @param overhead bytes that each taker costs in addition: a million tiny writes fill memory, too */
  constructor(limit: number, overhead = 0) {
    this.limit = limit
    this.overhead = overhead
  }

  /** The share that is taken, from 0 to 1. */
  get share(): number {
    return this.used / this.limit
  }

  private get used(): number {
    return this.bytes + this.extra + this.takers * this.overhead
  }

  /** The bytes that are left, without the overhead of another taker. */
  get room(): number {
    return Math.max(0, this.limit - this.used)
  }

  hasRoomFor(bytes: number): boolean {
    return this.used + this.overhead + bytes <= this.limit
  }

  /**
   * Returns false, and takes nothing, if there is no room.
   *
   * @param extra bytes that the taker costs beyond the overhead; `bytes` does not count them
   */
  take(bytes: number, extra = 0): boolean {
    if (!this.hasRoomFor(bytes + extra)) return false
    this.bytes += bytes
    this.extra += extra
    this.takers++
    return true
  }

  give(bytes: number, extra = 0): void {
    this.bytes -= bytes
    this.extra -= extra
    this.takers--
  }
}

/** Bytes taken from a budget without overhead, little by little, and given back at once. */
export class Reservation {
  private readonly budget: Budget
  private bytes = 0

  constructor(budget: Budget) {
    this.budget = budget
  }

  /** The bytes by which the reservation can grow now. */
  get room(): number {
    return this.budget.room
  }

  hasRoomFor(bytes: number): boolean {
    return this.budget.hasRoomFor(bytes)
  }

  /** Returns false, and takes nothing, if the budget has no room. */
  grow(bytes: number): boolean {
    if (!this.hasRoomFor(bytes)) return false
    this.budget.bytes += bytes
    this.bytes += bytes
    return true
  }

  giveBack(): void {
    this.budget.bytes -= this.bytes
    this.bytes = 0
  }
}
