/** Puts a lane's writes on disk, and decides when. */

import { faultOf } from '../disk/disk.ts'
import type { Clock } from '../runtime.ts'
import type { HandoffLog, RecordPosition } from './handoff-log.ts'
import type { LaneQueue } from './lane-queue.ts'
import type { LaneStore } from './lane-store.ts'
import { failure } from './outcome.ts'
import type { QueuedWrite, WriteLane, WriteList } from './queued-write.ts'
import { recordBytes, recordsOf } from './write-record.ts'

/** The reason of a drop, as it stands in the gap ledger. */
const BUFFER_FULL = 'buffer full'

/** About how many bytes of line protocol one append may have. */
const MAX_APPEND_BYTES = 8 * 1024 * 1024

/** How long a backend may take over a write that the relay owns before the write goes to disk. */
const SPILL_AFTER_MS = 10

export class Spiller {
  private readonly queue: LaneQueue
  private readonly lane: WriteLane
  private readonly store: LaneStore
  private readonly log: HandoffLog

  constructor(queue: LaneQueue, lane: WriteLane, store: LaneStore, log: HandoffLog) {
    this.queue = queue
    this.lane = lane
    this.store = store
    this.log = log
  }

  /**
   * Appends writes to the log, or drops what `buffer-full` says if there is no room. Resolves with the
   * position of the last one's record, or with undefined if none of them is on disk. Never rejects.
   *
   * @param refuse called in place of `refuseSpill`, with the reason, if they are neither dropped nor on disk
   */
  async spill(
    writes: readonly QueuedWrite[],
    refuse = (reason: string) => refuseSpill(writes, reason),
  ): Promise<RecordPosition | undefined> {
    const { store, log } = this
    const acceptedAt = Number(this.queue.options.clock.wallNanoseconds() / 1_000_000n)
    const records = recordsOf(writes, acceptedAt, log.lane.order)
    try {
      const reserved = await this.makeRoom(writes, recordBytes(records))
      if (reserved === undefined) return undefined
      const last = await log.append(records).finally(() => store.unreserve(reserved))
      for (const write of writes) {
        write.uncount()
        write.tracker.spilled(write)
      }
      log.forgetAnswered()
      return last
    } catch (error) {
      if (error instanceof BufferFullError) {
        refuse(BUFFER_FULL)
      } else {
        this.queue.onDiskError(error as Error)
        refuse(faultOf(error))
      }
      return undefined
    }
  }

  /** Spills a list until it is empty, also of writes that come meanwhile. Never rejects. */
  async spillAll(list: WriteList): Promise<void> {
    while (list.head) await this.spill(takeUpTo(list, MAX_APPEND_BYTES))
  }

  /**
   * Reserves room on disk, if need be by dropping the oldest. Resolves with how much, or with undefined if the
   * writes themselves were dropped.
   *
   * @throws BufferFullError if nothing may be dropped, or an error of the disk
   */
  private async makeRoom(
    writes: readonly QueuedWrite[],
    bytes: number,
  ): Promise<number | undefined> {
    const { store, log } = this
    const { losses } = this.queue
    const recordLoss = (write: QueuedWrite) => write.tracker.recordLoss(write, BUFFER_FULL)
    const reserve = () => store.reserve(bytes, log.hasFiles)
    do {
      const reserved = reserve()
      if (reserved !== undefined) return reserved
    } while (await this.queue.removeIdleFiles())
    if (store.options.whenFull === 'reject') throw new BufferFullError(BUFFER_FULL)
    await losses.flushed()
    while (store.options.whenFull === 'drop-oldest' && !log.isEmpty) {
      await log.dropOldest(this.lane, recordLoss).finally(() => {
        dropRecorded(log.takeRemoved(), BUFFER_FULL)
      })
      const freed = reserve()
      if (freed !== undefined) return freed
    }
    for (const write of writes) await recordLoss(write)
    dropRecorded(writes, BUFFER_FULL)
    return undefined
  }
}

/** Takes writes from the front of a list until they have more than `maxBytes`, or the list is empty. */
function takeUpTo(list: WriteList, maxBytes: number): QueuedWrite[] {
  const writes: QueuedWrite[] = []
  let bytes = 0
  for (let next = list.head; next && bytes <= maxBytes; next = list.head) {
    list.remove(next)
    writes.push(next)
    bytes += next.bytes
  }
  return writes
}

/** Drops writes that the disk did not take: they must not be acknowledged. */
export function refuseSpill(writes: readonly QueuedWrite[], reason: string): void {
  for (const write of writes) {
    write.uncount()
    write.tracker.spillFailed(write, reason)
  }
}

/** Drops writes whose loss is recorded. */
export function dropRecorded(writes: readonly QueuedWrite[], reason: string): void {
  for (const write of writes) {
    write.isRecorded = true
    write.drop(failure(reason))
  }
}

class BufferFullError extends Error {}

/** One timer for all writes of a lane, yet each has its own time to be answered by the backend. */
export class SpillTimer {
  /** Whether the last request took too long: the next one will, too, so writes need not wait. */
  hasExpired = false
  private readonly clock: Clock
  private readonly unspilled: () => Iterable<QueuedWrite>
  private readonly onExpired: () => void
  private cancel: (() => void) | undefined

  /**
   * @param unspilled the writes that the relay owns and that are only in memory
   * @param onExpired called when one of them has waited too long
   */
  constructor(clock: Clock, unspilled: () => Iterable<QueuedWrite>, onExpired: () => void) {
    this.clock = clock
    this.unspilled = unspilled
    this.onExpired = onExpired
  }

  /** To be called when the relay has come to own a write. */
  start(): void {
    this.wait(SPILL_AFTER_MS)
  }

  /** The backend has answered a request. */
  answered(afterMs: number): void {
    this.hasExpired = afterMs > SPILL_AFTER_MS
  }

  stop(): void {
    this.cancel?.()
    this.cancel = undefined
  }

  private wait(ms: number): void {
    this.cancel ??= this.clock.after(ms, () => this.check())
  }

  private check(): void {
    this.cancel = undefined
    let since = Number.POSITIVE_INFINITY
    for (const { ownedSince } of this.unspilled()) since = Math.min(since, ownedSince)
    const leftMs = since + SPILL_AFTER_MS - this.clock.now()
    if (leftMs <= 0) {
      this.hasExpired = true
      this.onExpired()
    } else if (leftMs < Number.POSITIVE_INFINITY) this.wait(leftMs)
  }
}
