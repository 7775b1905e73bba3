/** What the lanes of a backend share with its queue. */

import type { Destination } from '../influxdb/destination.ts'
import type { Budget } from '../limits/budget.ts'
import type { ReplayLimit } from '../limits/replay-limit.ts'
import type { Buffers, Clock } from '../runtime.ts'
import type { Store } from './lane-store.ts'
import type { Outcome } from './outcome.ts'
import type { Entry, Holder } from './queued-write.ts'

export interface LaneOptions {
  readonly clock: Clock
  /** Memory for batches. */
  readonly buffers: Buffers
  /** Room in memory for writes that the backend does not take now; undefined to give them up. */
  readonly buffer: Budget | undefined
  readonly timeoutMs: number
  readonly maxDelayMs: number
  /** Batches of one lane on their way at one time. With 1, order is kept. */
  readonly maxInFlight: number
  /** Bytes of line protocol that may be delivered from disk in a second, 0 for no limit. */
  readonly replayRate: number
}

/** Sends one body to the backend. Never rejects. */
export type Send = (destination: Destination, body: Uint8Array) => Promise<Outcome>

/** What a lane needs of the queue that it belongs to. */
export interface LaneHost extends Pick<Holder, 'lost' | 'refused'> {
  readonly options: LaneOptions
  readonly send: Send
  /** Writes larger than this are sent alone. A lane lowers it when the backend finds a batch too large. */
  maxBatchBytes: number
  /** Leave to put one more batch in flight; if not now, the lane's `pump` is called later. */
  takeSlot(lane: QueueLane): boolean
  freeSlot(): void
  /** Nothing is left in the lane. */
  laneIsIdle(lane: QueueLane): void
}

/** What a lane with a log needs besides. */
export interface DurableHost extends LaneHost {
  readonly store: Store
  readonly replay: ReplayLimit
  diskFailed(error: Error): void
  /**
   * Resolves if every note of a loss is on disk.
   *
   * @throws an error of the disk: it is no time to give more up
   */
  lossesSettled(): Promise<void>
}

/** The ordered delivery of one destination's writes. */
export interface QueueLane {
  readonly key: string
  /** Whether nothing is left to deliver. */
  readonly isIdle: boolean
  /** Whether it can be forgotten when it is idle. */
  readonly isDisposable: boolean
  append(entry: Entry): void
  /** Some backend has one of the lane's writes: none such may be lost for this one. */
  keep(): void
  /** Lets go of an entry whose client was told that the write failed. */
  withdraw(entry: Entry): void
  /** Sends what may be sent now. */
  pump(): void
}
