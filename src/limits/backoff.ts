/** How long to leave a backend alone after a failure. */

/** The wait after the first failure; doubled after each further one. The Go relay's figure. */
const FIRST_DELAY_MS = 500

export class Backoff {
  private readonly maxMs: number
  private delayMs = 0

  constructor(maxMs: number) {
    this.maxMs = maxMs
  }

  /** The next wait: longer each time, and as long as the backend asked for. */
  next(atLeastMs: number): number {
    this.delayMs = Math.min(this.delayMs === 0 ? FIRST_DELAY_MS : this.delayMs * 2, this.maxMs)
    return Math.max(this.delayMs, atLeastMs)
  }

  reset(): void {
    this.delayMs = 0
  }
}
