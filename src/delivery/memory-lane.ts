/**
 * The ordered delivery of one destination's writes to one backend: its database, retention policy and
 * credentials.
 *
 * While a batch is in flight, writes wait; when it is answered, those that wait become the next batch.
 * A failure that may pass keeps the lane's writes, in order, if the backend has a buffer, and gives them
 * up if it has none.
 */

import type { Write } from '../influxdb/write.ts'
import { Backoff } from '../limits/backoff.ts'
import { bodyOf, recycleBody, takeBatch } from './batch.ts'
import type { LaneHost, QueueLane } from './lane.ts'
import { type Failure, failure, isFailure, type Outcome, type Refusal } from './outcome.ts'
import { type Entry, EntryList } from './queued-write.ts'

export class Lane implements QueueLane {
  readonly key: string
  private readonly queue: LaneHost
  private readonly waiting = new EntryList()
  private readonly inFlight = new Set<readonly Entry[]>()
  /** The last failure, until the backend takes or refuses something. */
  private failing: Failure | undefined
  private readonly backoff: Backoff
  /** Cancels the wait before the next attempt. */
  private cancelRest: (() => void) | undefined

  constructor(key: string, queue: LaneHost) {
    this.key = key
    this.queue = queue
    this.backoff = new Backoff(queue.options.maxDelayMs)
  }

  get isIdle(): boolean {
    return !this.waiting.head && this.inFlight.size === 0
  }

  get isDisposable(): boolean {
    return true
  }

  /** Memory is all that there is. */
  keep(): void {}

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

  private nextBatch(): Entry[] {
    for (const entry of this.waiting) {
      if (!this.isStale(entry)) break
      this.waiting.remove(entry)
      this.giveUp(entry, failure('timed out in the queue'))
    }
    return takeBatch(this.waiting, this.queue.maxBatchBytes)
  }

  /** Without a buffer a write has its timeout from the moment it was accepted. */
  private isStale(entry: Entry): boolean {
    const { buffer, timeoutMs, clock } = this.queue.options
    return buffer === undefined && clock.now() - entry.acceptedAt >= timeoutMs
  }

  private async deliver(batch: readonly Entry[]): Promise<void> {
    const writes = batch.map(({ write }) => write)
    const [first] = writes as [Write]
    const { buffers } = this.queue.options
    const body = bodyOf(writes, buffers)
    const outcome = await this.queue.send(first.destination, body)
    if (outcome.verdict === 'stored') recycleBody(body, writes, buffers)
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
    this.backoff.reset()
    if (outcome.verdict === 'stored') {
      for (const entry of batch) {
        entry.release()
        entry.delivery.stored(entry)
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
    entry.delivery.delayed(entry, failure)
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

  private rest(atLeastMs: number): void {
    this.cancelRest = this.queue.options.clock.after(this.backoff.next(atLeastMs), () => {
      this.cancelRest = undefined
      this.pump()
    })
  }

  private closeIfEmpty(): void {
    if (!this.isIdle) return
    this.cancelRest?.()
    this.cancelRest = undefined
    this.queue.laneIsIdle(this)
  }
}
