/** Where a lane keeps its writes until its backend has taken them: in memory, or also on disk. */

import type { InFlightBatch } from './batch.ts'
import type { Failure } from './outcome.ts'
import type { QueuedWrite } from './queued-write.ts'

/** The writes of a lane that its backend has yet to take, in the order in which they were accepted. */
export interface Backlog {
  /** The last failure, until the backend stores or rejects a batch. */
  lastFailure: Failure | undefined
  readonly isEmpty: boolean
  /** Whether a process that ends now loses no write that the relay owns, though one may be in flight. */
  readonly isSafe: boolean
  /** Where the next batch is; undefined if no batch can be taken now. */
  readonly next: 'memory' | 'disk' | undefined
  /** Whether the next batch may be sent while others are in flight. */
  readonly mayOverlap: boolean
  append(write: QueuedWrite): void
  /** The relay owns one of the writes now. */
  mustDeliver(): void
  /**
   * Takes the next batch. Undefined if there is none after all.
   *
   * @throws an error of the disk, also as a rejection
   */
  take(): InFlightBatch | undefined | Promise<InFlightBatch | undefined>
  /**
   * To be called when the backend has answered or failed, before the outcome is dealt with. What it returns
   * must be awaited.
   *
   * @param afterMs how long the request took
   */
  answered(batch: InFlightBatch, afterMs: number): Promise<void> | undefined
  /** Keeps a batch that failed for a later attempt, or drops it. Sets `lastFailure` if it is to be retried. */
  fail(batch: InFlightBatch, failure: Failure): void
  /** The backend does not take now what must be sent before these writes; undefined if it does again. */
  hold(failure: Failure | undefined): void
  /** Puts back a batch that was rejected as a whole, to be sent in smaller ones. */
  requeue(batch: InFlightBatch): void
  /** Has each write of a batch sent alone from now on. */
  isolate(batch: InFlightBatch): void
  /**
   * Removes a batch that is on disk: it is delivered, or never will be.
   *
   * @throws an error of the disk; the batch is removed all the same
   */
  remove(batch: InFlightBatch): Promise<void>
}
