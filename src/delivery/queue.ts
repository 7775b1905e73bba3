/**
 * The delivery queue of one backend: a lane for each destination, and the bounds that they share.
 *
 * A statement that changes something keeps its place among the writes that it concerns. It gets a lane, which
 * waits for the older lanes that it concerns. They are closed: later writes go to new lanes, which wait for the
 * statement. Lanes on disk have order numbers, so that after a restart they wait for each other as before.
 */

import { areOrdered, waitsFor } from '../influxdb/barrier.ts'
import type { Destination } from '../influxdb/destination.ts'
import type { Write } from '../influxdb/write.ts'
import { Budget } from '../limits/budget.ts'
import { ReplayLimit } from '../limits/replay-limit.ts'
import { RetryGate } from '../limits/retry-gate.ts'
import { Semaphore } from '../limits/semaphore.ts'
import type { Losses } from '../losses/losses.ts'
import type { Databases } from '../losses/shortage.ts'
import type { SegmentLog } from '../segments/segment-log.ts'
import { Lane, type LaneMark } from './lane.ts'
import type { LaneIdentity } from './lane-file.ts'
import type { LaneOptions, LaneQueue } from './lane-queue.ts'
import type { LaneStore } from './lane-store.ts'
import { type Failure, failure, isFailure, type Outcome } from './outcome.ts'
import {
  QueuedWrite,
  WRITE_OVERHEAD_BYTES,
  type WriteLane,
  type WriteTracker,
} from './queued-write.ts'

/** About what a lane takes in memory beside its writes and its names, without and with files on disk. */
const LANE_BYTES = 2 * 1024
const DURABLE_LANE_BYTES = 8 * 1024

/** How often a lane holds its names and credentials: in its key, and in each part of its destination. */
const NAME_COPIES = 4

/** How many lanes may have a batch in flight at a time. */
const MAX_LANES_IN_FLIGHT = 64

/**
 * How long a lane keeps its empty files. A backend that answers now and then too late would otherwise have
 * them made and removed for each write.
 */
const KEEP_FILES_MS = 2000

/** How many lanes' files are removed at a time. */
const REMOVALS = 8

/** How many lanes may be statements, or closed by one. Each may take files. */
const MAX_BARRIERS = 1000

/** A backend that has answered nothing for so long hangs. One that lags answers. */
const HANGING_MS = 500

interface QueueOptions extends LaneOptions {
  /** A batch is no larger than this, unless it is one write. */
  readonly maxBatchBytes: number
  /** Bytes of line protocol a second that may be delivered from disk, 0 for no limit. */
  readonly replayRate: number
  /** Room in memory for writes that the backend has not answered yet. */
  readonly pendingBytes: number
  /** Room in memory for lanes, without their writes. */
  readonly lanesBytes: number
}

/** What a queue is built on. */
interface QueueParts extends Pick<LaneQueue, 'send' | 'losses' | 'onDiskError'> {
  /** Where writes are spilled; undefined to keep them in memory. */
  readonly store: LaneStore | undefined
}

export class Queue implements LaneQueue {
  readonly options: QueueOptions
  readonly losses: Losses
  readonly store: LaneStore | undefined
  readonly send: LaneQueue['send']
  readonly onDiskError: LaneQueue['onDiskError']
  maxBatchBytes: number
  private readonly pending: Budget
  private readonly lanes = new Set<Lane>()
  /** What the lanes take in memory, without their writes. */
  private lanesBytes = 0
  /** The lanes that take writes, by the key of their destinations. */
  private readonly open = new Map<string, Lane>()
  /** Lanes that newer ones may have to wait for: those of statements, and closed ones. */
  private readonly barriers = new Set<Lane>()
  /** Lanes that wait for others. */
  private readonly waiting = new Set<Lane>()
  /** How many statements the queue has accepted, those of earlier processes included. */
  private order = 0
  private readonly slots = new Semaphore(MAX_LANES_IN_FLIGHT)
  private readonly replays: ReplayLimit
  private readonly retries: RetryGate
  /** When a slot last became free, by the clock. */
  private answeredAt = Number.NEGATIVE_INFINITY
  private onceSafe: (() => void)[] = []
  /** Called when the backend may have applied more than before. */
  private readonly readers = new Set<() => void>()
  /** Idle lanes with empty files on disk, and since when, oldest first. */
  private readonly idle = new Map<Lane, number>()
  /** Lanes whose files are being removed because others wait for that. */
  private readonly removals = new Map<Lane, Promise<boolean>>()
  /** Whether `removeFiles` runs or will. */
  private isRemovalDue = false

  constructor(options: QueueOptions, { send, losses, onDiskError, store }: QueueParts) {
    this.options = options
    this.losses = losses
    this.store = store
    this.send = send
    this.onDiskError = onDiskError
    this.maxBatchBytes = options.maxBatchBytes
    this.pending = new Budget(options.pendingBytes, WRITE_OVERHEAD_BYTES)
    this.replays = new ReplayLimit(options.clock, options.replayRate)
    this.retries = new RetryGate(options.clock)
    for (const { logs, ...lane } of store?.lanes ?? []) this.addLane(lane, logs)
  }

  /** Begins to deliver what an earlier process has left on disk. */
  start(): void {
    for (const lane of [...this.lanes]) lane.pump()
  }

  /** Whether a destination has an open lane, or there is room in memory for one. */
  hasRoomFor({ laneKey }: Destination): boolean {
    return this.open.has(laneKey) || this.lanesBytes < this.options.lanesBytes
  }

  get laneCount(): number {
    return this.lanes.size
  }

  /** Appends a write to its lane. Calls the tracker as things happen, perhaps before this returns. */
  append(write: Write, tracker: WriteTracker): QueuedWrite {
    const { destination } = write
    const lane = this.open.get(destination.laneKey) ?? this.newLane(destination)
    const queued = new QueuedWrite(write, tracker, lane, this.options.clock.now())
    if (queued.chargeTo(this.pending)) {
      lane.append(queued)
    } else {
      queued.drop(failure('queue full'))
      if (lane.isIdle) this.onIdle(lane)
    }
    return queued
  }

  /** Bytes of line protocol that the backend has yet to take. */
  get bytes(): number {
    return this.pending.bytes + this.keptBytes
  }

  /** Bytes of line protocol that the backend did not take at once: in its buffer, or on disk. */
  get keptBytes(): number {
    return (this.options.buffer?.bytes ?? 0) + (this.store?.bytes ?? 0)
  }

  /**
   * How full the room is for writes that the backend has not answered, from 0 to 1. It is 0 for a backend
   * that hangs: clients should not wait for it. Writes for a backend that fails are held elsewhere.
   */
  get lag(): number {
    return this.options.clock.now() - this.answeredAt < HANGING_MS ? this.pending.share : 0
  }

  /** Whether as many statements wait as may. */
  get isFullOfStatements(): boolean {
    return this.barriers.size >= MAX_BARRIERS
  }

  get isEmpty(): boolean {
    for (const lane of this.lanes) if (!lane.isIdle) return false
    return true
  }

  /** The lanes of some databases, or all, whose backend has yet to apply writes that the relay owns. */
  marks(databases: Databases): LaneMark[] {
    const marks: LaneMark[] = []
    for (const lane of this.lanes) {
      if (!lane.concerns(databases)) continue
      const mark = lane.mark()
      if (mark) marks.push(mark)
    }
    return marks
  }

  /** Calls back each time that a mark may be reached, until the returned function is called. */
  onApplied(callback: () => void): () => void {
    this.readers.add(callback)
    return () => this.readers.delete(callback)
  }

  /** Resolves when no write is in memory alone: each is delivered, or on disk. */
  whenSafe(): Promise<void> {
    if (this.isSafe) return Promise.resolve()
    return new Promise((resolve) => this.onceSafe.push(resolve))
  }

  private get isSafe(): boolean {
    for (const lane of this.lanes) if (!lane.isSafe) return false
    return true
  }

  onProgress(): void {
    for (const callback of this.readers) callback()
    if (this.onceSafe.length === 0 || !this.isSafe) return
    for (const resolve of this.onceSafe.splice(0)) resolve()
  }

  takeSlot(lane: Lane, isReplay: boolean, isRetry: boolean): boolean {
    if (isReplay && !this.replays.admitsOrEnqueues(lane)) return false
    if (!this.slots.admitsOrEnqueues(lane)) return false
    if (isRetry && !this.retries.admitsOrEnqueues(lane)) return false
    if (isRetry) this.retries.take()
    if (isReplay) this.replays.take()
    this.slots.take()
    return true
  }

  freeSlot(isReplay: boolean): void {
    this.answeredAt = this.options.clock.now()
    if (isReplay) this.replays.give()
    this.slots.give()
  }

  onOutcome(outcome: Outcome): void {
    if (isFailure(outcome) && outcome.answer === undefined) this.retries.close()
    else this.retries.open()
  }

  paceReplay(bytes: number): Promise<void> {
    return this.replays.pace(bytes)
  }

  async removeIdleFiles(): Promise<boolean> {
    if (await this.removeSomeFiles(Number.POSITIVE_INFINITY)) return true
    const [removal] = this.removals.values()
    if (await removal) return true
    return (await this.store?.removeLeftover()) ?? false
  }

  onIdle(lane: Lane): void {
    this.slots.dequeue(lane)
    this.retries.dequeue(lane)
    if (lane.isDisposable) this.forget(lane)
    else if (this.barriers.has(lane)) this.removeFilesNow(lane)
    else this.removeFilesLater(lane)
    this.onProgress()
  }

  holdBehind(lane: WriteLane, failure: Failure | undefined): void {
    for (const one of this.waiting) if (one.waitsFor(lane)) one.hold(failure)
  }

  private newLane(destination: Destination): Lane {
    if (destination.barrier) this.order++
    return this.addLane({ destination, order: this.order }, [])
  }

  private addLane(added: LaneIdentity, logs: readonly SegmentLog[]): Lane {
    const lane = new Lane(added, this, logs)
    const { destination } = lane
    this.order = Math.max(this.order, added.order)
    // The statement between two lanes of an earlier process may have been withdrawn.
    const sameKey = this.open.get(destination.laneKey)
    if (sameKey) this.close(sameKey)
    for (const older of destination.barrier ? this.lanes : this.barriers) {
      if (!areOrdered(destination, older.destination)) continue
      this.close(older)
      const isGone = !this.lanes.has(older)
      if (!isGone && waitsFor(destination, older.destination)) lane.waitFor(older)
    }
    if (lane.isWaiting) this.waiting.add(lane)
    if (destination.barrier) this.barriers.add(lane)
    this.lanes.add(lane)
    this.lanesBytes += bytesOf(lane)
    this.open.set(destination.laneKey, lane)
    return lane
  }

  /** Later writes go to another lane, which waits for this one. */
  private close(lane: Lane): void {
    const key = lane.destination.laneKey
    if (this.open.get(key) !== lane) return
    this.open.delete(key)
    this.barriers.add(lane)
    if (lane.isIdle) this.onIdle(lane)
  }

  /** An empty lane without files: nothing of it can come back. */
  private forget(lane: Lane): void {
    const key = lane.destination.laneKey
    if (this.lanes.delete(lane)) this.lanesBytes -= bytesOf(lane)
    this.waiting.delete(lane)
    if (this.open.get(key) === lane) this.open.delete(key)
    if (!this.barriers.delete(lane)) return
    for (const one of [...this.waiting]) {
      one.stopWaitingFor(lane)
      if (!one.isWaiting) this.waiting.delete(one)
    }
  }

  /** Other lanes wait until the files are gone. */
  private removeFilesNow(lane: Lane): void {
    if (this.removals.has(lane)) return
    const removal = this.removeFilesOf(lane).finally(() => this.removals.delete(lane))
    this.removals.set(lane, removal)
  }

  private removeFilesLater(lane: Lane): void {
    this.idle.delete(lane)
    this.idle.set(lane, this.options.clock.now())
    if (this.isRemovalDue) return
    this.isRemovalDue = true
    this.options.clock.after(KEEP_FILES_MS, () => void this.removeFiles())
  }

  /** Removes the files of lanes that have been idle for a while. */
  private async removeFiles(): Promise<void> {
    const { clock } = this.options
    while (await this.removeSomeFiles(clock.now() - KEEP_FILES_MS)) {}
    const [next] = this.idle.values()
    this.isRemovalDue = next !== undefined && !this.store?.isClosed
    if (next === undefined || !this.isRemovalDue) return
    clock.after(Math.max(1, next + KEEP_FILES_MS - clock.now()), () => void this.removeFiles())
  }

  /** Removes the files of some lanes that are idle since a time. Resolves with whether any were removed. */
  private async removeSomeFiles(idleSince: number): Promise<boolean> {
    const due: Lane[] = []
    for (const [lane, since] of this.idle) {
      if (due.length === REMOVALS || since > idleSince) break
      due.push(lane)
      this.idle.delete(lane)
    }
    const removals = await Promise.all(due.map((lane) => this.removeFilesOf(lane)))
    return removals.includes(true)
  }

  /** Resolves with whether the lane has no files any more. */
  private async removeFilesOf(lane: Lane): Promise<boolean> {
    if (!lane.isIdle || this.store?.isClosed) return false
    try {
      await lane.discardFiles()
    } catch (error) {
      this.onDiskError(error as Error)
    }
    const { isDisposable } = lane
    if (lane.isIdle && isDisposable) this.forget(lane)
    else if (lane.isIdle) this.removeFilesLater(lane)
    return isDisposable
  }
}

function bytesOf({ destination, isDurable }: Lane): number {
  return (isDurable ? DURABLE_LANE_BYTES : LANE_BYTES) + NAME_COPIES * destination.laneKey.length
}
