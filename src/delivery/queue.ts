/** The delivery queue of one backend: a lane for each destination, and the bounds that they share. */

import type { Destination } from '../influxdb/destination.ts'
import { Budget } from '../limits/budget.ts'
import { ReplayLimit } from '../limits/replay-limit.ts'
import { Semaphore } from '../limits/semaphore.ts'
import type { SegmentLog } from '../segments/segment-log.ts'
import { DurableLane } from './disk-lane.ts'
import { Handoff } from './handoff-log.ts'
import type { DurableHost, LaneOptions, QueueLane, Send } from './lane.ts'
import type { Store, StoredLane } from './lane-store.ts'
import { Lane } from './memory-lane.ts'
import { failure } from './outcome.ts'
import { type Delivery, ENTRY_OVERHEAD_BYTES, Entry, type Holder } from './queued-write.ts'

/** How many lanes may have a batch in flight at one time. */
const MAX_LANES_IN_FLIGHT = 64

/** A backend that has answered nothing for so long is not just slow. */
const HANGING_MS = 500

export interface QueueOptions extends LaneOptions {
  /** Writes larger than this are sent alone. */
  readonly maxBatchBytes: number
  /** Room for writes that the backend has not answered yet. */
  readonly pendingBytes: number
}

/** What the backend does for its queue. */
export interface QueueHost extends Pick<Holder, 'lost' | 'refused'> {
  readonly send: Send
  diskFailed(error: Error): void
  lossesSettled(): Promise<void>
}

export class Queue implements Holder, DurableHost {
  readonly options: QueueOptions
  readonly send: Send
  readonly lost: Holder['lost']
  readonly refused: Holder['refused']
  readonly diskFailed: DurableHost['diskFailed']
  readonly lossesSettled: DurableHost['lossesSettled']
  readonly replay: ReplayLimit
  maxBatchBytes: number
  private readonly disk: Store | undefined
  private readonly pending: Budget
  private readonly lanes = new Map<string, QueueLane>()
  private readonly slots = new Semaphore(MAX_LANES_IN_FLIGHT)
  /** When a batch last came back, by the clock. */
  private answeredAt = Number.NEGATIVE_INFINITY
  private onEmpty: (() => void)[] = []

  /**
   * @param store where writes go that the backend does not take now; undefined to keep them in memory
   * @param lanes what a process before this one has left there
   */
  constructor(
    options: QueueOptions,
    host: QueueHost,
    store: Store | undefined,
    lanes: readonly StoredLane[],
  ) {
    this.options = options
    this.send = host.send
    this.lost = host.lost
    this.refused = host.refused
    this.diskFailed = host.diskFailed
    this.lossesSettled = host.lossesSettled
    this.replay = new ReplayLimit(options.clock, options.replayRate)
    this.maxBatchBytes = options.maxBatchBytes
    this.pending = new Budget(options.pendingBytes, ENTRY_OVERHEAD_BYTES)
    this.disk = store
    for (const { destination, logs } of lanes) this.addLane(destination, logs)
  }

  get isDurable(): boolean {
    return this.disk !== undefined
  }

  get store(): Store {
    if (!this.disk) throw new Error('a queue in memory has no store')
    return this.disk
  }

  /** Begins to deliver what was on disk. */
  start(): void {
    for (const lane of this.lanes.values()) lane.pump()
  }

  /** Takes over the delivery of a write. Its outcome is told to `delivery`, some of it at once. */
  append(delivery: Delivery): Entry {
    const entry = new Entry(delivery, this, this.options.clock.now())
    if (entry.chargeTo(this.pending)) this.laneOf(entry).append(entry)
    else delivery.abandoned(entry, failure('queue full'))
    return entry
  }

  keep(entry: Entry): void {
    entry.keptAt = Math.min(entry.keptAt, this.options.clock.now())
    this.lanes.get(entry.write.destination.lane)?.keep()
  }

  withdraw(entry: Entry): void {
    this.lanes.get(entry.write.destination.lane)?.withdraw(entry)
  }

  /** Bytes that are held for the backend. */
  get bytes(): number {
    return this.pending.bytes + (this.options.buffer?.bytes ?? 0) + (this.disk?.bytes ?? 0)
  }

  /**
   * How full the room is for writes that the backend has not answered, from 0 to 1. What waits for one
   * that fails is held elsewhere; and one that hangs is not worth waiting for, so that is 0.
   */
  get lag(): number {
    return this.options.clock.now() - this.answeredAt < HANGING_MS ? this.pending.share : 0
  }

  get isEmpty(): boolean {
    for (const lane of this.lanes.values()) if (!lane.isIdle) return false
    return true
  }

  /** Resolves when nothing is left to deliver. */
  whenEmpty(): Promise<void> {
    if (this.isEmpty) return Promise.resolve()
    return new Promise((resolve) => this.onEmpty.push(resolve))
  }

  takeSlot(lane: QueueLane): boolean {
    if (!this.slots.hasRoomFor(lane)) return false
    this.slots.take()
    return true
  }

  freeSlot(): void {
    this.answeredAt = this.options.clock.now()
    this.slots.give()
  }

  laneIsIdle(lane: QueueLane): void {
    this.slots.forget(lane)
    if (lane.isDisposable && this.lanes.get(lane.key) === lane) this.lanes.delete(lane.key)
    if (this.onEmpty.length === 0 || !this.isEmpty) return
    for (const resolve of this.onEmpty.splice(0)) resolve()
  }

  private laneOf({ write }: Entry): QueueLane {
    return this.lanes.get(write.destination.lane) ?? this.addLane(write.destination, [])
  }

  private addLane(destination: Destination, logs: readonly SegmentLog[]): QueueLane {
    const create = (lane: Destination) => this.store.createLane(lane)
    const lane = this.disk
      ? new DurableLane(destination.lane, this, new Handoff(destination, create, logs))
      : new Lane(destination.lane, this)
    this.lanes.set(lane.key, lane)
    return lane
  }
}
