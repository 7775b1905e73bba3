/** What a lane needs of the queue that it is in. `Queue` implements it. */

import type { Budget } from '../limits/budget.ts'
import type { Waiter } from '../limits/semaphore.ts'
import type { Losses } from '../losses/losses.ts'
import type { Buffers, Clock } from '../runtime.ts'
import type { LaneStore } from './lane-store.ts'
import type { Failure, Outcome } from './outcome.ts'
import type { QueuedWrite, WriteLane } from './queued-write.ts'

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

export interface LaneQueue {
  readonly options: LaneOptions
  readonly losses: Losses
  /** Undefined for a queue in memory. */
  readonly store: LaneStore | undefined
  /** A batch is no larger than this, unless it is one write. A lane halves it after a 413. */
  maxBatchBytes: number
  /** Sends one body to the backend. Never rejects. */
  send(write: QueuedWrite, body: Uint8Array): Promise<Outcome>
  /**
   * Lets a lane send one more batch. If it returns false, it calls the lane's `pump` later.
   *
   * @param isReplay whether the batch comes from disk
   * @param isRetry whether the lane's last batch failed
   */
  takeSlot(lane: Waiter, isReplay: boolean, isRetry: boolean): boolean
  freeSlot(isReplay: boolean): void
  /** The outcome of a batch, before it is dealt with. */
  onOutcome(outcome: Outcome): void
  /** Resolves when `replay-rate-limit` permits a batch of so many bytes from disk. */
  paceReplay(bytes: number): Promise<void>
  /** Removes empty files of idle lanes, to make room on disk. Resolves with whether any were removed. */
  removeIdleFiles(): Promise<boolean>
  /** The backend does not take what the lanes behind a lane wait for; undefined if it does again. */
  holdBehind(lane: WriteLane, failure: Failure | undefined): void
  /** The lane has nothing to deliver. */
  onIdle(lane: Waiter): void
  /** The lane may have less in memory than before. */
  onProgress(): void
  onDiskError(error: Error): void
}
