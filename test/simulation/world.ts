/**
 * The clock, the random numbers and the trace of a simulation.
 *
 * Everything happens in events, one at a time; between two events all code runs until it waits for another
 * event. Random numbers come from the seed alone, so the same seed gives the same simulation.
 */

import type { Clock } from '../../src/runtime.ts'
import { seededRandom } from '../support/seeded-random.ts'

interface Event {
  readonly at: number
  /** Decides which of two events at the same time comes first. */
  readonly tie: number
  callback: (() => void) | undefined
}

/** When a simulation begins, in nanoseconds. */
export const EPOCH = 1_700_000_000_000_000_000n

export class World implements Clock {
  readonly random: () => number
  /** What happened, a line each: time in ms and text. */
  readonly trace: string[] = []
  /** Events so far. */
  turns = 0
  private readonly events: Event[] = []
  private time = 0
  private readings = 0n

  constructor(seed: number) {
    this.random = seededRandom(seed)
  }

  now(): number {
    return this.time
  }

  /** Each reading differs from those before it, as with a real clock. */
  wallNanoseconds(): bigint {
    this.readings++
    return EPOCH + BigInt(Math.round(this.time * 1e6)) + this.readings
  }

  after(delayMs: number, callback: () => void): () => void {
    const event: Event = { at: this.time + delayMs, tie: this.random(), callback }
    this.events.splice(this.placeOf(event), 0, event)
    return () => {
      event.callback = undefined
    }
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve))
  }

  log(text: string): void {
    this.trace.push(`${this.time.toFixed(3).padStart(10)} ${text}`)
  }

  chance(probability: number): boolean {
    return this.random() < probability
  }

  /** A number from `min` up to, but not including, `max`. */
  between(min: number, max: number): number {
    return min + this.random() * (max - min)
  }

  /** An integer from `min` to `max`. */
  integer(min: number, max: number): number {
    return Math.floor(this.between(min, max + 1))
  }

  pick<Value>(values: readonly Value[]): Value {
    return values[this.integer(0, values.length - 1)] as Value
  }

  /** Runs events until `isOver`, or until the time is `end`. Returns whether it is over. */
  async run(end: number, isOver: () => boolean): Promise<boolean> {
    await settle()
    while (!isOver()) {
      const event = this.events.at(-1)
      if (!event || event.at > end) {
        this.time = end
        return isOver()
      }
      this.events.pop()
      if (!event.callback) continue
      this.time = event.at
      this.turns++
      event.callback()
      await settle()
    }
    return true
  }

  /** Events are in reverse order: the next one is the last. */
  private placeOf({ at, tie }: Event): number {
    let low = 0
    let high = this.events.length
    while (low < high) {
      const middle = (low + high) >> 1
      const other = this.events[middle] as Event
      if (other.at > at || (other.at === at && other.tie > tie)) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** Runs all code that waits for no event: promises resolve before the next turn of the real event loop. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
