/** What a lane needs of its queue and of its backlog. */

import type { Write } from '../influxdb/write.ts'
import type { Budget } from '../limits/budget.ts'
import type { Waiter } from '../limits/semaphore.ts'
import type { Losses } from '../losses/losses.ts'
import type { Buffers, Clock } from '../runtime.ts'
import type { InFlightBatch } from './batch.ts'
import type { LaneStore } from './lane-store.ts'
import type { Failure, Outcome } from './outcome.ts'
import type { QueuedWrite } from './queued-write.ts'

export interface LaneOptions {
  readonly clock: Clock
  /** Memory for batches. */
  readonly buffers: Buffers
  /** Room in memory for writes that the backend does not take now; undefined to drop them. */
  readonly buffer: Budget | undefined
  /** How long a backend may take to answer. */
  readonly timeoutMs: number
  /** The longest pause between two attempts, unless the backend asks for a longer one. */
  readonly maxDelayMs: number
  /** How many batches of a lane may be in flight. With more than 1, writes may overtake each other. */
  readonly maxInFlight: number
}

/** What a lane needs of its queue. */
export interface LaneQueue {
  readonly options: LaneOptions
  readonly losses: Losses
  /** Undefined for a queue in memory. */
  readonly store: LaneStore | undefined
  /** A batch is no larger than this, unless it is one write. A lane halves it after a 413. */
  maxBatchBytes: number
  /**
   * Sends one body to the backend. Never rejects.
   *
   * @param first of the writes in the body, which have its kind and destination in common
   */
  send(first: Write, body: Uint8Array): Promise<Outcome>
  /**
   * Lets a lane send one more batch. If it returns false, it calls the lane's `pump` later.
   *
   * @param isReplay whether the batch comes from disk
   * @param isRetry whether the lane's last batch failed
   */
  takeSlot(lane: Waiter, isReplay: boolean, isRetry: boolean): boolean
  freeSlot(isReplay: boolean): void
  /** The outcome of a batch, before it is dealt with. */
  heard(outcome: Outcome): void
  /** Resolves when `replay-rate-limit` permits a batch of so many bytes from disk. */
  paceReplay(bytes: number): Promise<void>
  /** Removes empty files of idle lanes, to make room on disk. Resolves with whether any were removed. */
  removeIdleFiles(): Promise<boolean>
  /** The lane has nothing to deliver. */
  onIdle(lane: Waiter): void
  /** The lane may have less in memory than before. */
  onProgress(): void
  onDiskError(error: Error): void
}

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
