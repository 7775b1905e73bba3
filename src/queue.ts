/** The delivery queue of one backend: a lane for each destination, and the bounds that they share. */

import { Budget } from './budget.ts'
import { type Delivery, ENTRY_OVERHEAD_BYTES, Entry, type Holder } from './entry.ts'
import { Lane, type LaneHost, type LaneOptions, type Send } from './lane.ts'
import { failure } from './outcome.ts'

/** How many lanes may have a batch in flight at one time. */
const MAX_LANES_IN_FLIGHT = 64

export interface QueueOptions extends LaneOptions {
  /** Writes larger than this are sent alone. */
  readonly maxBatchBytes: number
  /** Room for writes that the backend has not answered yet. */
  readonly pendingBytes: number
}

export class Queue implements Holder, LaneHost {
  readonly options: QueueOptions
  readonly send: Send
  readonly lost: Holder['lost']
  readonly refused: Holder['refused']
  maxBatchBytes: number
  private readonly pending: Budget
  private readonly lanes = new Map<string, Lane>()
  /** Lanes that wait for a slot, first come, first served. */
  private readonly ready = new Set<Lane>()
  private slots = MAX_LANES_IN_FLIGHT
  private onEmpty: (() => void)[] = []

  constructor(options: QueueOptions, send: Send, losses: Pick<Holder, 'lost' | 'refused'>) {
    this.options = options
    this.send = send
    this.lost = losses.lost
    this.refused = losses.refused
    this.maxBatchBytes = options.maxBatchBytes
    this.pending = new Budget(options.pendingBytes, ENTRY_OVERHEAD_BYTES)
  }

  /** Takes over the delivery of a write. Its outcome is told to `delivery`, some of it at once. */
  append(delivery: Delivery): Entry {
    const entry = new Entry(delivery, this, this.options.clock.now())
    if (entry.chargeTo(this.pending)) {
      this.laneOf(delivery.write.destination.lane).append(entry)
    } else {
      delivery.abandoned(entry, failure('queue full'))
    }
    return entry
  }

  withdraw(entry: Entry): void {
    this.lanes.get(entry.write.destination.lane)?.withdraw(entry)
  }

  /** Bytes of line protocol that are held for the backend. */
  get bytes(): number {
    return this.pending.bytes + (this.options.buffer?.bytes ?? 0)
  }

  get isEmpty(): boolean {
    return this.lanes.size === 0
  }

  /** Resolves when nothing is left to deliver. */
  whenEmpty(): Promise<void> {
    if (this.isEmpty) return Promise.resolve()
    return new Promise((resolve) => this.onEmpty.push(resolve))
  }

  takeSlot(lane: Lane): boolean {
    if (this.slots === 0) {
      this.ready.add(lane)
      return false
    }
    this.slots--
    return true
  }

  freeSlot(): void {
    this.slots++
    const [next] = this.ready
    if (!next) return
    this.ready.delete(next)
    next.pump()
  }

  closeLane(lane: Lane): void {
    if (this.lanes.get(lane.key) === lane) this.lanes.delete(lane.key)
    this.ready.delete(lane)
    if (!this.isEmpty) return
    for (const resolve of this.onEmpty.splice(0)) resolve()
  }

  private laneOf(key: string): Lane {
    let lane = this.lanes.get(key)
    if (!lane) {
      lane = new Lane(key, this)
      this.lanes.set(key, lane)
    }
    return lane
  }
}
