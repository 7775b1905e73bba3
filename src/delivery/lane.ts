/**
 * The ordered delivery of one destination's writes to one backend: of a database, a retention policy and
 * credentials, until a statement comes that must keep its place among them. The statement has a lane of its
 * own, and later writes go to another one. A lane sends nothing until each lane that it must not overtake is gone.
 *
 * While a batch is in flight, writes wait; when it is answered, the writes that wait become the next batch.
 * Where they wait, and what becomes of them while the backend fails, is up to the lane's backlog.
 */

import type { Answer } from '../influxdb/answer.ts'
import type { Destination } from '../influxdb/destination.ts'
import { Backoff } from '../limits/backoff.ts'
import type { Losses } from '../losses/losses.ts'
import type { Databases } from '../losses/shortage.ts'
import type { SegmentLog } from '../segments/segment-log.ts'
import type { Backlog } from './backlog.ts'
import type { InFlightBatch } from './batch.ts'
import { DiskBacklog } from './disk-backlog.ts'
import { HandoffLog, type LogMark } from './handoff-log.ts'
import type { LaneIdentity } from './lane-file.ts'
import type { LaneQueue } from './lane-queue.ts'
import { MemoryBacklog } from './memory-backlog.ts'
import { type Failure, failure, isFailure, type Outcome } from './outcome.ts'
import type { QueuedWrite, WriteLane } from './queued-write.ts'
import { UnappliedWrites } from './unapplied.ts'

export class Lane implements WriteLane {
  readonly destination: Destination
  readonly unapplied = new UnappliedWrites()
  private readonly queue: LaneQueue
  private readonly log: HandoffLog | undefined
  private readonly backlog: Backlog
  private readonly inFlight: InFlightBatch[] = []
  /** How many batches are being taken, are in flight, or have an outcome that is being dealt with. */
  private delivering = 0
  private readonly backoff: Backoff
  /** Cancels the next attempt. */
  private cancelRetry: (() => void) | undefined
  /** The lanes that must be gone before this one sends anything; undefined if there are none. */
  private older: Set<WriteLane> | undefined

  /** @param logs what an earlier process has left of the lane, oldest first */
  constructor(lane: LaneIdentity, queue: LaneQueue, logs: readonly SegmentLog[]) {
    const { store, options } = queue
    this.destination = lane.destination
    this.queue = queue
    this.backoff = new Backoff(options.maxDelayMs)
    if (store) {
      this.log = new HandoffLog(lane, store, options.buffers, logs)
      this.backlog = new DiskBacklog(queue, this, store, this.log)
    } else {
      this.backlog = new MemoryBacklog(queue)
    }
  }

  get isDurable(): boolean {
    return this.log !== undefined
  }

  get losses(): Losses {
    return this.queue.losses
  }

  get isIdle(): boolean {
    return this.delivering === 0 && this.backlog.isEmpty
  }

  /** Whether no write that the relay owns is in memory alone. */
  get isSafe(): boolean {
    return this.isIdle || this.backlog.isSafe
  }

  /** Whether the lane can be forgotten while it is idle. */
  get isDisposable(): boolean {
    return !this.log?.hasFiles
  }

  /** Whether it must not send anything yet. */
  get isWaiting(): boolean {
    return this.older !== undefined
  }

  /** Sends nothing from now on until another lane is gone. */
  waitFor(lane: Lane): void {
    this.older ??= new Set()
    this.older.add(lane)
    const { lastFailure } = lane.backlog
    if (lastFailure) this.hold(lane.failureBehind(lastFailure))
  }

  waitsFor(lane: WriteLane): boolean {
    return this.older?.has(lane) ?? false
  }

  /** Another lane is gone: nothing of it can come back. */
  stopWaitingFor(lane: WriteLane): void {
    if (!this.older?.delete(lane) || this.older.size > 0) return
    this.older = undefined
    this.hold(undefined)
    this.pump()
  }

  /** The backend does not take now what this lane waits for; undefined if it does again. */
  hold(failure: Failure | undefined): void {
    const { lastFailure } = this.backlog
    this.backlog.hold(failure)
    if (!lastFailure !== !failure) this.queue.holdBehind(this, failure)
  }

  /** Whether what waits in it is about some databases. Statements about users concern all. */
  concerns(databases: Databases): boolean {
    const { database, barrier } = this.destination
    if (databases === 'all' || (barrier && barrier.users.length > 0)) return true
    return barrier ? barrier.databases.some((name) => databases.has(name)) : databases.has(database)
  }

  /** All writes of now that the relay owns; undefined if the backend has applied them. */
  mark(): LaneMark | undefined {
    const mark = new LaneMark(this.unapplied, this.log)
    return mark.isReached ? undefined : mark
  }

  /**
   * Removes the lane's files from the disk if they are empty.
   *
   * @throws an error of the disk
   */
  async discardFiles(): Promise<void> {
    await this.log?.discard()
  }

  append(write: QueuedWrite): void {
    this.backlog.append(write)
    this.pump()
  }

  mustDeliver(write: QueuedWrite): void {
    write.ownedSince = Math.min(write.ownedSince, this.queue.options.clock.now())
    this.backlog.mustDeliver()
  }

  withdraw(write: QueuedWrite): boolean {
    if (!write.list) return false
    write.list.remove(write)
    write.uncount()
    if (this.isIdle) this.becomeIdle()
    return true
  }

  /** Sends as many batches as may be in flight now. */
  pump(): void {
    for (let next = this.backlog.next; next && this.maySend(); next = this.backlog.next) {
      const isReplay = next === 'disk'
      const isRetry = this.backlog.lastFailure !== undefined
      if (!this.queue.takeSlot(this, isReplay, isRetry)) break
      void this.deliver(isReplay)
    }
    if (this.isIdle && !this.cancelRetry) this.becomeIdle()
    else this.queue.onProgress()
  }

  private maySend(): boolean {
    if (this.cancelRetry || this.older || this.queue.store?.isClosed) return false
    if (this.delivering === 0) return true
    const hasRoom = this.delivering < this.queue.options.maxInFlight
    if (!hasRoom || !this.backlog.mayOverlap || this.destination.barrier) return false
    // No write may overtake one that the relay owns: some client believes it stored.
    return this.inFlight.every(({ writes }) => writes.every(mayBeOvertaken))
  }

  /** Takes a batch, sends it, deals with the outcome, and goes on with the next. */
  private async deliver(isReplay: boolean): Promise<void> {
    const { queue, backlog } = this
    const { clock, buffers } = queue.options
    let batch: InFlightBatch | undefined
    this.delivering++
    try {
      const taken = backlog.take()
      batch = taken instanceof Promise ? await taken : taken
      if (!batch) return
      this.inFlight.push(batch)
      const body = batch.createBody(buffers)
      if (batch.last) await queue.paceReplay(body.length)
      const sentAt = clock.now()
      const isStatement = this.destination.barrier !== undefined
      const outcome = await (isStatement
        ? this.execute(batch, body)
        : queue.send(batch.first, body))
      queue.onOutcome(outcome)
      const spilled = backlog.answered(batch, clock.now() - sentAt)
      if (spilled) await spilled
      if (isFailure(outcome)) return this.fail(batch, outcome)
      if (backlog.lastFailure) this.hold(undefined)
      this.backoff.reset()
      if (outcome.verdict === 'stored') {
        batch.recycle(body, buffers)
        for (const write of batch.writes) {
          const recorded = write.tracker.stored(write, outcome.answer)
          if (recorded && batch.last) await recorded
        }
        if (batch.last) await backlog.remove(batch)
      } else if (batch.writes.length === 1) {
        await this.reject(batch, outcome.answer)
        if (batch.last) await backlog.remove(batch)
      } else {
        // Each client gets its own answer, and no good write suffers from a bad one: influxd drops a whole
        // batch for a type conflict inside it.
        if (outcome.verdict === 'rejected') backlog.isolate(batch)
        else queue.maxBatchBytes = Math.ceil(body.length / 2)
        backlog.requeue(batch)
      }
    } catch (error) {
      queue.onDiskError(error as Error)
      this.scheduleRetry(0)
    } finally {
      // Only now: an idle lane is forgotten, and the batch may just have been requeued.
      if (batch) this.inFlight.splice(this.inFlight.indexOf(batch), 1)
      this.delivering--
      queue.freeSlot(isReplay)
      this.pump()
    }
  }

  /** The backend will never take the only write of a batch. */
  private async reject(batch: InFlightBatch, answer: Answer): Promise<void> {
    const { first } = batch
    first.uncount()
    if (batch.last && !first.tracker.isOpen) await this.losses.flushed()
    const recorded = first.tracker.rejected(first, answer)
    if (batch.last) await recorded
    // Nothing waits for it, and `Losses` logs the error.
    else recorded.catch(() => {})
  }

  /** While a statement takes long, the clients whose writes wait behind it get an error. */
  private async execute(batch: InFlightBatch, body: Uint8Array): Promise<Outcome> {
    const { queue } = this
    const { clock, timeoutMs } = queue.options
    const stop = clock.after(timeoutMs, () => queue.holdBehind(this, UNFINISHED))
    const outcome = await queue.send(batch.first, body)
    stop()
    return outcome
  }

  private fail(batch: InFlightBatch, failure: Failure): void {
    for (const write of batch.writes) write.requestFailed(failure)
    this.backlog.fail(batch, failure)
    if (this.backlog.lastFailure) this.queue.holdBehind(this, this.failureBehind(failure))
    if (this.backlog.lastFailure && !this.backlog.isEmpty) this.scheduleRetry(failure.retryAfterMs)
  }

  /** What clients of the writes behind hear: the answer to a statement is not theirs. */
  private failureBehind(failure: Failure): Failure {
    return this.destination.barrier ? { ...failure, answer: undefined } : failure
  }

  private scheduleRetry(atLeastMs: number): void {
    this.cancelRetry ??= this.queue.options.clock.after(this.backoff.next(atLeastMs), () => {
      this.cancelRetry = undefined
      this.pump()
    })
  }

  private becomeIdle(): void {
    this.backlog.lastFailure = undefined
    this.backoff.reset()
    this.cancelRetry?.()
    this.cancelRetry = undefined
    this.queue.onIdle(this)
  }
}

/** The failure of a write that waits for a statement that its server is still executing. */
const UNFINISHED = failure('a statement before the write is not finished')

/** The writes of a lane that the relay owned at one moment. */
export class LaneMark {
  private readonly unapplied: UnappliedWrites
  private readonly log: HandoffLog | undefined
  private readonly group: number
  /** Set when memory has no write of the mark any more. The writes that are left are then on disk. */
  private onDisk: { readonly mark: LogMark | undefined } | undefined

  constructor(unapplied: UnappliedWrites, log: HandoffLog | undefined) {
    this.unapplied = unapplied
    this.log = log
    this.group = unapplied.mark()
  }

  /** Whether the backend has applied them, or never will: then the gap ledger has them. */
  get isReached(): boolean {
    if (!this.unapplied.hasPassed(this.group)) return false
    this.onDisk ??= { mark: this.log?.mark() }
    const { mark } = this.onDisk
    return mark === undefined || this.log === undefined || this.log.hasPassed(mark)
  }

  /** Bytes that the backend has yet to take, also of later writes. */
  get bytes(): number {
    return this.unapplied.bytes + (this.log?.bytes ?? 0)
  }

  /**
   * When the oldest write was accepted, ms since the Unix epoch.
   *
   * @param epochMs when the clock was 0, ms since the Unix epoch
   */
  since(epochMs: number): number {
    const inMemory = epochMs + this.unapplied.since
    return Math.min(inMemory, this.log?.since ?? inMemory)
  }
}

const mayBeOvertaken = ({ isIsolated, tracker }: QueuedWrite) =>
  !isIsolated && tracker.ownership !== 'relay'
