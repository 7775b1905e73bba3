/**
 * A backlog that outlives the relay: hinted handoff.
 *
 * While the backend answers promptly, writes pass through memory and the disk is not touched. A write that
 * the relay owns and that the backend has not answered within 10 ms is spilled to the lane's log, with all
 * that were accepted before it. While the backend fails, is slow or has much to catch up with, writes are
 * spilled at once. The log is delivered from its head, before anything in memory, and is emptied and synced
 * before writes pass through memory again: so no replay can overtake a later write.
 */

import type { Waiter } from '../limits/semaphore.ts'
import { DAMAGED } from '../losses/losses.ts'
import type { Backlog } from './backlog.ts'
import { InFlightBatch, takeBatch } from './batch.ts'
import type { HandoffLog } from './handoff-log.ts'
import type { LaneQueue } from './lane-queue.ts'
import type { LaneStore } from './lane-store.ts'
import type { Failure } from './outcome.ts'
import { type QueuedWrite, type WriteLane, WriteList } from './queued-write.ts'
import { dropRecorded, refuseSpill, Spiller, SpillTimer } from './spill.ts'

/** The reason of a drop, as it stands in the gap ledger. */
const TOO_OLD = 'too old'

export class DiskBacklog implements Backlog {
  lastFailure: Failure | undefined
  private readonly queue: LaneQueue
  private readonly lane: WriteLane & Waiter
  private readonly store: LaneStore
  private readonly log: HandoffLog
  private readonly spiller: Spiller
  private readonly timer: SpillTimer
  /** Accepted after all that is on disk. */
  private readonly waiting = new WriteList()
  /** The batch in flight that was taken from memory. */
  private inFlight: InFlightBatch | undefined
  private spilling: Promise<void> | undefined
  /** How many of the oldest writes on disk are sent alone: a batch of them was rejected. */
  private isolatedCount = 0

  constructor(queue: LaneQueue, lane: WriteLane & Waiter, store: LaneStore, log: HandoffLog) {
    this.queue = queue
    this.lane = lane
    this.store = store
    this.log = log
    this.spiller = new Spiller(queue, lane, store, log)
    this.timer = new SpillTimer(
      queue.options.clock,
      () => this.unspilled(),
      () => this.startSpill(),
    )
  }

  get isEmpty(): boolean {
    return !this.waiting.head && !this.spilling && this.log.isEmpty
  }

  get isSafe(): boolean {
    // If the disk has refused the batch in flight, only its backend can still take it.
    const isRefused = this.inFlight?.spillError !== undefined
    return !this.spilling && !isRefused && !this.hasUnspilled()
  }

  get next(): 'memory' | 'disk' | undefined {
    if (this.spilling) return undefined
    return this.log.isEmpty ? this.waiting.head && 'memory' : 'disk'
  }

  get mayOverlap(): boolean {
    return false
  }

  append(write: QueuedWrite): void {
    this.waiting.append(write)
    if (this.lastFailure) write.tracker.deferred(write, this.lastFailure)
  }

  mustDeliver(): void {
    if (this.lastFailure || this.timer.hasExpired || this.isBehind) this.startSpill()
    else this.timer.start()
  }

  take(): InFlightBatch | undefined | Promise<InFlightBatch | undefined> {
    return this.log.isDurablyEmpty ? this.takeFromMemory() : this.takeOldest()
  }

  private takeFromMemory(): InFlightBatch | undefined {
    this.inFlight = takeBatch(this.waiting, this.queue.maxBatchBytes)
    return this.inFlight
  }

  private async takeOldest(): Promise<InFlightBatch | undefined> {
    if (!this.log.isEmpty) {
      const count = this.isolatedCount > 0 ? 1 : Number.POSITIVE_INFINITY
      const now = this.queue.options.clock.now()
      const stored = await this.log
        .peek(this.lane, this.queue.maxBatchBytes, count, now)
        .finally(() => dropRecorded(this.log.takeRemoved(), DAMAGED))
      if (stored) {
        const batch = new InFlightBatch(stored.writes, stored.last)
        return (await this.expire(batch, stored.newestAt)) ? undefined : batch
      }
    }
    await this.log.sync()
    // Writes that were spilled meanwhile go first. If the disk has refused some, their records may come back.
    return this.log.isDurablyEmpty && !this.spilling ? this.takeFromMemory() : undefined
  }

  /** Drops a batch that is older than `buffer-max-age`. */
  private async expire(batch: InFlightBatch, newestAt: number): Promise<boolean> {
    const { maxAgeMs } = this.store.options
    const now = Number(this.queue.options.clock.wallNanoseconds() / 1_000_000n)
    if (maxAgeMs === undefined || now - newestAt <= maxAgeMs) return false
    const { losses } = this.queue
    await losses.flushed()
    for (const write of batch.writes) await write.tracker.recordLoss(write, TOO_OLD)
    dropRecorded(batch.writes, TOO_OLD)
    await this.remove(batch)
    return true
  }

  answered(batch: InFlightBatch, afterMs: number): Promise<void> | undefined {
    this.timer.answered(afterMs)
    // The disk may be getting these very writes. After this it gets none of them.
    if (this.spilling) return this.spilling.then(() => this.clearInFlight(batch))
    this.clearInFlight(batch)
  }

  private clearInFlight(batch: InFlightBatch): void {
    this.inFlight = undefined
    // The writes behind the batch were not spilled either. They may be now.
    if (batch.spillError !== undefined) this.timer.start()
  }

  fail(batch: InFlightBatch, failure: Failure): void {
    this.lastFailure = failure
    this.requeue(batch)
    this.hold(failure)
  }

  hold(failure: Failure | undefined): void {
    this.lastFailure = failure
    if (!failure) return
    for (const write of [...this.log.tracked, ...this.waiting]) {
      write.tracker.deferred(write, failure)
    }
    if (this.hasUnspilled()) this.startSpill()
  }

  /** What is on disk stays there. */
  requeue(batch: InFlightBatch): void {
    if (batch.last) return
    if (batch.spillError !== undefined) refuseSpill(batch.writes, batch.spillError)
    batch.requeue(this.waiting)
  }

  isolate(batch: InFlightBatch): void {
    if (batch.last) this.isolatedCount = batch.writes.length
    else for (const write of batch.writes) write.isIsolated = true
  }

  async remove({ writes, last }: InFlightBatch): Promise<void> {
    if (!last) return
    this.isolatedCount = Math.max(0, this.isolatedCount - writes.length)
    await this.log.advance(last)
  }

  /** Whether more is on disk than one batch carries: a write that comes now has long to wait. */
  private get isBehind(): boolean {
    return this.log.bytes > this.queue.maxBatchBytes
  }

  /** The batch in flight, if the disk neither has it nor has dropped or refused it. */
  private get unspilledBatch(): InFlightBatch | undefined {
    const { inFlight } = this
    return inFlight && !inFlight.last && !inFlight.isDropped ? inFlight : undefined
  }

  /** The writes that the relay owns and that are only in memory. */
  private *unspilled(): Generator<QueuedWrite> {
    for (const write of this.unspilledBatch?.writes ?? []) if (isOwned(write)) yield write
    for (const write of this.waiting) if (isOwned(write)) yield write
  }

  private hasUnspilled(): boolean {
    return !this.unspilled().next().done
  }

  /** Puts on disk all that is only in memory, in the order in which it was accepted. */
  private startSpill(): void {
    if (this.inFlight?.spillError !== undefined) return
    this.timer.stop()
    this.spilling ??= this.spillMemory().then(() => {
      this.spilling = undefined
      // A write that came just before this counted on it.
      if (this.hasUnspilled()) this.mustDeliver()
      this.lane.pump()
    })
  }

  private async spillMemory(): Promise<void> {
    const batch = this.unspilledBatch
    if (batch) {
      batch.last = await this.spiller.spill(batch.writes, (reason) => {
        if (this.lastFailure) refuseSpill(batch.writes, reason)
        else batch.spillError = reason
      })
      batch.isDropped = !batch.last
      if (batch.spillError !== undefined) return
    }
    await this.spiller.spillAll(this.waiting)
  }
}

const isOwned = ({ tracker }: QueuedWrite) => tracker.ownership === 'relay'
