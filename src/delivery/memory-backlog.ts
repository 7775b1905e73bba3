/** A backlog in memory. It is bounded by a budget, or has none and keeps nothing that failed. */

import type { Backlog } from './backlog.ts'
import { type InFlightBatch, takeBatch } from './batch.ts'
import type { LaneQueue } from './lane-queue.ts'
import { type Failure, failure } from './outcome.ts'
import { type QueuedWrite, WriteList } from './queued-write.ts'

export class MemoryBacklog implements Backlog {
  lastFailure: Failure | undefined
  private readonly queue: LaneQueue
  private readonly waiting = new WriteList()

  constructor(queue: LaneQueue) {
    this.queue = queue
  }

  get isEmpty(): boolean {
    return this.waiting.head === undefined
  }

  get isSafe(): boolean {
    return false
  }

  get next(): 'memory' | undefined {
    return this.waiting.head && 'memory'
  }

  get mayOverlap(): boolean {
    return !this.lastFailure && !this.waiting.head?.isIsolated
  }

  append(write: QueuedWrite): void {
    this.waiting.append(write)
    if (this.lastFailure) this.defer(write, this.lastFailure)
  }

  mustDeliver(): void {}

  take(): InFlightBatch | undefined {
    for (let head = this.waiting.head; head && this.isStale(head); head = this.waiting.head) {
      this.waiting.remove(head)
      head.drop(failure('timed out in the queue'))
    }
    return takeBatch(this.waiting, this.queue.maxBatchBytes)
  }

  answered(): undefined {}

  fail(batch: InFlightBatch, failure: Failure): void {
    if (!this.queue.options.buffer) {
      for (const write of batch.writes) write.drop(failure)
      return
    }
    batch.requeue(this.waiting)
    this.hold(failure)
  }

  /** Without a buffer, writes wait: the lane that they wait for keeps nothing that has failed, either. */
  hold(failure: Failure | undefined): void {
    if (!this.queue.options.buffer) return
    this.lastFailure = failure
    if (!failure) return
    for (const write of [...this.waiting]) this.defer(write, failure)
  }

  requeue(batch: InFlightBatch): void {
    batch.requeue(this.waiting)
  }

  isolate(batch: InFlightBatch): void {
    for (const write of batch.writes) write.isIsolated = true
  }

  async remove(): Promise<void> {}

  /** Without a buffer, the timeout of a write runs from the moment it was accepted. */
  private isStale(write: QueuedWrite): boolean {
    const { buffer, timeoutMs, clock } = this.queue.options
    return buffer === undefined && clock.now() - write.acceptedAt >= timeoutMs
  }

  /** Keeps a write for a later attempt, if there is room in the buffer. */
  private defer(write: QueuedWrite, lastFailure: Failure): void {
    const { buffer } = this.queue.options
    // An empty write has nothing that the backend could lack.
    if (write.bytes > 0 && buffer && write.chargeTo(buffer)) {
      write.tracker.deferred(write, lastFailure)
      return
    }
    this.waiting.remove(write)
    write.drop(write.bytes > 0 ? { ...lastFailure, reason: 'buffer full' } : lastFailure)
  }
}
