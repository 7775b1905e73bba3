/** A warning that does not flood the log, however often its event happens. */

import type { Clock } from '../runtime.ts'
import type { Counter } from './counters.ts'
import type { Fields, Log } from './log.ts'

const INTERVAL_MS = 10_000

/** Amounts that belong to an event, such as points or bytes. Each has a counter. */
type Figures = Readonly<Record<string, number>>

/**
 * Logs the first event at once, and then at most one line per interval, with the number of events and the
 * sums of their figures since the line before. Counts every event, in counters named after the message:
 * `write refused`, `write refused: bytes`.
 */
export class RepeatedWarning {
  private readonly clock: Clock
  private readonly log: Log
  private readonly message: string
  private readonly events: Counter
  private readonly figures = new Map<string, Counter>()
  /** The values of the counters at the last line. */
  private readonly printed = new Map<Counter, number>()
  private last: () => Fields = () => ({})
  private cancel: (() => void) | undefined

  constructor(clock: Clock, log: Log, message: string) {
    this.clock = clock
    this.log = log
    this.message = message
    this.events = log.counter(message)
  }

  /**
   * @param detail further fields of the line; it shows those of the latest event. A function is called when
   *   the line is logged.
   */
  report(detail: Fields | (() => Fields), figures: Figures = {}): void {
    this.events.add()
    for (const [name, value] of Object.entries(figures)) this.counterOf(name).add(value)
    this.last = typeof detail === 'function' ? detail : () => detail
    if (!this.cancel) this.print()
  }

  /** Logs events that have not been logged yet. */
  flush(): void {
    this.cancel?.()
    this.cancel = undefined
    if (this.unprinted(this.events) > 0) this.printLine()
  }

  private counterOf(figure: string): Counter {
    const known = this.figures.get(figure)
    if (known) return known
    const counter = this.log.counter(`${this.message}: ${figure}`)
    this.figures.set(figure, counter)
    return counter
  }

  private print(): void {
    this.printLine()
    this.cancel = this.clock.after(INTERVAL_MS, () => {
      this.cancel = undefined
      if (this.unprinted(this.events) > 0) this.print()
    })
  }

  private printLine(): void {
    const times = this.unprinted(this.events)
    const sums: Record<string, number> = {}
    for (const [name, counter] of this.figures) {
      if (this.unprinted(counter) > 0) sums[name] = this.unprinted(counter)
    }
    this.log.warn(this.message, { ...this.last(), ...sums, times: times > 1 ? times : undefined })
    for (const counter of [this.events, ...this.figures.values()]) {
      this.printed.set(counter, counter.value)
    }
  }

  private unprinted(counter: Counter): number {
    return counter.value - (this.printed.get(counter) ?? 0)
  }
}
