/** The delay before a backend is tried again after a failure. */

/** The delay after the first failure, doubled after each further one. As in the Go relay. */
const FIRST_DELAY_MS = 500

export class Backoff {
  private readonly maxMs: number
  private delayMs = 0

  constructor(maxMs: number) {
    this.maxMs = maxMs
  }

  /**
   * The next delay, twice as long each time.
   *
   * @param atLeastMs the least delay, as the backend asked for it
   */
  next(atLeastMs: number): number {
    this.delayMs = Math.min(this.delayMs === 0 ? FIRST_DELAY_MS : this.delayMs * 2, this.maxMs)
    return Math.max(this.delayMs, atLeastMs)
  }

  reset(): void {
    this.delayMs = 0
  }
}
