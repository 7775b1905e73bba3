/** Keeps a fault that repeats from flooding the log: told at once, then at most once an interval. */

import type { Clock } from '../runtime.ts'
import type { Fields, Log } from './log.ts'

const INTERVAL_MS = 10_000

/** Figures of a repeated event, added up between two lines. */
export type Figures = Readonly<Record<string, number>>

/**
 * A warning that may come often. The first is logged as it happens; those that follow are counted, and
 * logged as one line an interval, with their figures added up.
 */
export class RepeatedWarning {
  private readonly clock: Clock
  private readonly log: Log
  private readonly message: string
  private sums: Record<string, number> = {}
  private last: Fields = {}
  private count = 0
  private cancel: (() => void) | undefined

  constructor(clock: Clock, log: Log, message: string) {
    this.clock = clock
    this.log = log
    this.message = message
  }

  /** @param detail what the latest event of an interval is shown with */
  report(detail: Fields, figures: Figures = {}): void {
    this.count++
    this.last = detail
    for (const [name, value] of Object.entries(figures)) {
      this.sums[name] = (this.sums[name] ?? 0) + value
    }
    if (!this.cancel) this.emit()
  }

  /** Logs what has been held back. */
  flush(): void {
    this.cancel?.()
    this.cancel = undefined
    if (this.count > 0) this.write()
  }

  private emit(): void {
    this.write()
    this.cancel = this.clock.after(INTERVAL_MS, () => {
      this.cancel = undefined
      if (this.count > 0) this.emit()
    })
  }

  private write(): void {
    this.log.warn(this.message, {
      ...this.last,
      ...this.sums,
      times: this.count > 1 ? this.count : undefined,
    })
    this.count = 0
    this.sums = {}
  }
}
