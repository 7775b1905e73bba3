/**
 * The ordered delivery of one destination's writes to one backend: its database, retention policy and
 * credentials.
 *
 * While a batch is in flight, writes wait; when it is answered, those that wait become the next batch.
 * A failure that may pass keeps the lane's writes, in order, if the backend has a buffer, and gives them
 * up if it has none.
 */

import type { Budget } from './budget.ts'
import { type Entry, EntryList } from './entry.ts'
import { join } from './line.ts'
import { type Failure, failure, isFailure, type Outcome, type Refusal } from './outcome.ts'
import type { Clock } from './runtime.ts'
import type { Destination } from './write.ts'

/** The wait after the first failure; doubled after each further one. The Go relay's figure. */
const FIRST_DELAY_MS = 500

export interface LaneOptions {
  readonly clock: Clock
  /** Room for writes that the backend does not take now; undefined to give them up instead. */
  readonly buffer: Budget | undefined
  readonly timeoutMs: number
  readonly maxDelayMs: number
  /** Batches of one lane on their way at one time. With 1, order is kept. */
  readonly maxInFlight: number
}

/** Sends one body to the backend. Never rejects. */
export type Send = (destination: Destination, body: Uint8Array) => Promise<Outcome>

/** What a lane needs of the queue that it belongs to. */
export interface LaneHost {
  readonly options: LaneOptions
  readonly send: Send
  /** Writes larger than this are sent alone. A lane lowers it when the backend finds a batch too large. */
  maxBatchBytes: number
  /** Leave to put one more batch in flight; if not now, the lane's `pump` is called later. */
  takeSlot(lane: Lane): boolean
  freeSlot(): void
  /** Nothing is left in the lane. */
  closeLane(lane: Lane): void
}

export class Lane {
  readonly key: string
  private readonly queue: LaneHost
  private readonly waiting = new EntryList()
  private readonly inFlight = new Set<readonly Entry[]>()
  /** The last failure, until the backend takes or refuses something. */
  private failing: Failure | undefined
  private delayMs = 0
  /** Cancels the wait before the next attempt. */
  private cancelRest: (() => void) | undefined

  constructor(key: string, queue: LaneHost) {
    this.key = key
    this.queue = queue
  }

  append(entry: Entry): void {
    if (this.failing && !this.postpone(entry, this.failing)) return
    this.waiting.append(entry)
    this.pump()
  }

  /** Lets go of an entry that its client has been told to send again. */
  withdraw(entry: Entry): void {
    if (entry.list !== this.waiting) return
    this.waiting.remove(entry)
    entry.release()
    this.closeIfEmpty()
  }

  /** Sends as many batches as may be in flight. */
  pump(): void {
    while (this.waiting.head && this.maySend() && this.queue.takeSlot(this)) {
      const batch = this.nextBatch()
      if (batch.length === 0) {
        this.queue.freeSlot()
        break
      }
      this.inFlight.add(batch)
      void this.deliver(batch)
    }
    this.closeIfEmpty()
  }

  private maySend(): boolean {
    if (this.cancelRest) return false
    if (this.inFlight.size === 0) return true
    if (this.inFlight.size >= this.queue.options.maxInFlight || this.failing) return false
    // Nothing may overtake a write that some client believes stored.
    for (const batch of this.inFlight) {
      if (batch.some((entry) => entry.alone || entry.delivery.fate === 'kept')) return false
    }
    return !this.waiting.head?.alone
  }

  /** Takes from the front of the lane what can travel together. */
  private nextBatch(): Entry[] {
    const batch: Entry[] = []
    let bytes = 0
    let entry = this.waiting.head
    while (entry) {
      const next = entry.next
      if (this.isStale(entry)) {
        this.waiting.remove(entry)
        this.giveUp(entry, failure('timed out in the queue'))
      } else {
        if (batch.length > 0 && !this.fits(entry, batch, bytes)) break
        this.waiting.remove(entry)
        batch.push(entry)
        bytes += entry.bytes + 1
      }
      entry = next
    }
    return batch
  }

  private fits(entry: Entry, batch: readonly Entry[], bytes: number): boolean {
    const last = batch[batch.length - 1] as Entry
    return (
      bytes + entry.bytes <= this.queue.maxBatchBytes &&
      !entry.alone &&
      !last.alone &&
      last.write.points.closed &&
      last.write.destination.key === entry.write.destination.key
    )
  }

  /** Without a buffer a write has its timeout from the moment it was accepted. */
  private isStale(entry: Entry): boolean {
    const { buffer, timeoutMs, clock } = this.queue.options
    return buffer === undefined && clock.now() - entry.acceptedAt >= timeoutMs
  }

  private async deliver(batch: readonly Entry[]): Promise<void> {
    const first = batch[0] as Entry
    const body = join(batch.map((entry) => entry.write.points.bytes))
    const outcome = await this.queue.send(first.write.destination, body)
    this.settle(batch, body.length, outcome)
    // Only now: a lane that looks empty is closed, and this one may just be about to take its batch back.
    this.inFlight.delete(batch)
    this.queue.freeSlot()
    this.pump()
  }

  private settle(batch: readonly Entry[], bytes: number, outcome: Outcome): void {
    if (isFailure(outcome)) {
      this.fail(batch, outcome)
      return
    }
    this.failing = undefined
    this.delayMs = 0
    if (outcome.verdict === 'stored') {
      for (const entry of batch) {
        entry.release()
        entry.delivery.stored()
      }
    } else if (batch.length === 1) {
      const only = batch[0] as Entry
      only.release()
      only.delivery.rejected(only, outcome.answer)
    } else {
      this.divide(batch, bytes, outcome)
    }
  }

  /**
   * Sends the writes of a refused batch again: in smaller batches if it was too large, else alone and in
   * order. Only so does each client get its own answer and does no good write suffer from a bad one:
   * influxd drops a whole batch for a type conflict inside it.
   */
  private divide(batch: readonly Entry[], bytes: number, refusal: Refusal): void {
    if (refusal.verdict === 'too-large') this.queue.maxBatchBytes = Math.ceil(bytes / 2)
    else for (const entry of batch) entry.alone = true
    this.putBack(batch)
  }

  private fail(batch: readonly Entry[], failure: Failure): void {
    if (this.queue.options.buffer === undefined) {
      for (const entry of batch) this.giveUp(entry, failure)
      return
    }
    this.failing = failure
    const kept = batch.filter((entry) => this.postpone(entry, failure))
    this.putBack(kept)
    this.postponeWaiting(failure)
    if (this.waiting.head && !this.cancelRest) this.rest(failure.retryAfterMs)
  }

  /** Tells those that wait behind a failure that they will wait for longer. */
  private postponeWaiting(failure: Failure): void {
    let entry = this.waiting.head
    while (entry) {
      const next: Entry | undefined = entry.next
      if (!this.postpone(entry, failure)) this.waiting.remove(entry)
      entry = next
    }
  }

  /** Keeps an entry for a later attempt. False if there is no point in it, or no room. */
  private postpone(entry: Entry, failure: Failure): boolean {
    const { buffer } = this.queue.options
    const wanted = !entry.isVoid && entry.bytes > 0
    if (!wanted || !buffer || !entry.chargeTo(buffer)) {
      this.giveUp(entry, wanted && buffer ? { ...failure, reason: 'buffer full' } : failure)
      return false
    }
    if (!entry.reported) {
      entry.reported = true
      entry.delivery.delayed(failure)
    }
    if (entry.isVoid) entry.release()
    return !entry.isVoid
  }

  private giveUp(entry: Entry, failure: Failure): void {
    entry.release()
    if (!entry.isVoid) entry.delivery.abandoned(entry, failure)
  }

  private putBack(batch: readonly Entry[]): void {
    for (let i = batch.length - 1; i >= 0; i--) this.waiting.prepend(batch[i] as Entry)
  }

  /** Leaves the backend alone for a while: longer each time, and as long as it asked for. */
  private rest(atLeastMs: number): void {
    const { clock, maxDelayMs } = this.queue.options
    this.delayMs = Math.min(this.delayMs === 0 ? FIRST_DELAY_MS : this.delayMs * 2, maxDelayMs)
    this.cancelRest = clock.after(Math.max(this.delayMs, atLeastMs), () => {
      this.cancelRest = undefined
      this.pump()
    })
  }

  private closeIfEmpty(): void {
    if (this.waiting.head || this.inFlight.size > 0) return
    this.cancelRest?.()
    this.cancelRest = undefined
    this.queue.closeLane(this)
  }
}
