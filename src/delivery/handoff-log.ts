/** The part of a lane that is on disk: hinted handoff. */

import type { Buffers } from '../runtime.ts'
import { isUnreadable } from '../segments/damage.ts'
import type { StoredRecord } from '../segments/reader.ts'
import type { RecordEnd } from '../segments/segment-index.ts'
import type { SegmentLog } from '../segments/segment-log.ts'
import { type FailureNote, parseNote } from './failure-note.ts'
import type { LaneIdentity } from './lane-file.ts'
import type { LaneStore } from './lane-store.ts'
import { QueuedWrite, type WriteLane } from './queued-write.ts'
import { ACKNOWLEDGED, FailedWrite } from './replayed-write.ts'
import { hasNote, kindOf, recordedWrite, type WriteRecord } from './write-record.ts'

/** The end of a record. Each log of a lane has its own sequence numbers. */
export interface RecordPosition extends RecordEnd {
  readonly log: SegmentLog
}

/** The newest record at one moment. */
export interface LogMark {
  readonly log: SegmentLog
  readonly sequence: number
}

/** The oldest writes on disk, as far as one request can carry them. */
export interface StoredBatch {
  /** As this process has queued them, if their clients may still wait. */
  readonly writes: readonly QueuedWrite[]
  /** When the newest was accepted, ms since the Unix epoch. */
  readonly newestAt: number
  readonly last: RecordPosition
}

/** How long the disk may fail to read the oldest records before they are set aside as damaged. */
const MAX_UNREADABLE_MS = 60_000

export class HandoffLog {
  /** The lane that it is a part of. */
  readonly lane: LaneIdentity
  private readonly store: Pick<LaneStore, 'createLane' | 'removeLane'>
  private readonly recycle: (bytes: Uint8Array) => void
  /** Logs of an earlier process, older than the one that is appended to. */
  private readonly earlier: SegmentLog[]
  private log: SegmentLog | undefined
  /** Writes in `log` whose clients may still wait, by the sequence numbers of their records. */
  private readonly queued = new Map<number, QueuedWrite>()
  /** Of writes in `log` whose clients got no 204 after they were put there. */
  private readonly notes = new Map<number, FailureNote>()
  /** Since when the disk fails to read the oldest records, by the clock. */
  private unreadableSince: number | undefined
  /** When the oldest write was accepted, as far as known, ms since the Unix epoch. */
  private oldestAt = 0

  /**
   * @param store creates the lane's files before the first append, and removes them
   * @param logs what an earlier process has left, oldest first
   */
  constructor(
    lane: LaneIdentity,
    store: Pick<LaneStore, 'createLane' | 'removeLane'>,
    buffers: Buffers,
    logs: readonly SegmentLog[] = [],
  ) {
    this.lane = lane
    this.store = store
    this.recycle = (bytes) => buffers.give(bytes)
    this.earlier = logs.slice(0, -1)
    this.log = logs.at(-1)
  }

  /** Whether the lane has files. */
  get hasFiles(): boolean {
    return this.log !== undefined || this.earlier.length > 0
  }

  get isEmpty(): boolean {
    return (this.log?.isEmpty ?? true) && this.earlier.every((log) => log.isEmpty)
  }

  /** Whether the log is empty and will be found empty after any crash: then writes may bypass it. */
  get isDurablyEmpty(): boolean {
    return this.earlier.length === 0 && (this.log?.isDurablyEmpty ?? true)
  }

  get bytes(): number {
    let sum = this.log?.bytes ?? 0
    for (const { bytes } of this.earlier) sum += bytes
    return sum
  }

  /** The newest record; undefined if there is none. */
  mark(): LogMark | undefined {
    const log = this.log ?? this.earlier.at(-1)
    return log && !this.isEmpty ? { log, sequence: log.newest } : undefined
  }

  /** Whether neither the record of a mark nor an older one is left. */
  hasPassed({ log, sequence }: LogMark): boolean {
    if (this.isEmpty) return true
    return log.oldest > sequence && this.earlier.every((one) => one.isEmpty)
  }

  /** When the oldest write was accepted, ms since the Unix epoch; infinite if there is none. */
  get since(): number {
    return this.isEmpty ? Number.POSITIVE_INFINITY : this.oldestAt
  }

  /** The writes on disk whose clients may still wait. */
  get tracked(): Iterable<QueuedWrite> {
    return this.queued.values()
  }

  /**
   * Appends writes. Resolves with the position of the last one's record once all are synced.
   *
   * @throws an error of the disk; then none of the writes is in the log
   */
  async append(records: readonly WriteRecord[]): Promise<RecordPosition> {
    this.log ??= await this.store.createLane(this.lane)
    const { log } = this
    const { isEmpty } = this
    const { sequence, next } = await log.append(records)
    if (isEmpty) this.oldestAt = records[0]?.acceptedAt ?? 0
    for (const [i, { queued, isNoted }] of records.entries()) {
      if (!isNoted) this.queued.set(sequence - records.length + 1 + i, queued)
    }
    return { log, sequence, next }
  }

  /**
   * The oldest writes that one request can carry, at most `maxCount`. They stay on disk.
   *
   * Records that the disk fails to read for a minute are set aside: they must not block the others for ever.
   *
   * @param now by the clock
   * @throws an error of the disk, or an error if the oldest record is of an unknown kind
   */
  async peek(
    lane: WriteLane,
    maxBytes: number,
    maxCount: number,
    now: number,
  ): Promise<StoredBatch | undefined> {
    const log = await this.oldest()
    const records = log ? await this.read(log, maxBytes, now) : []
    const [first] = records
    if (!log || !first) return undefined
    if (kindOf(first) === undefined) {
      throw new Error(`a record of kind ${first.kind} needs a newer version of the relay`)
    }
    this.oldestAt = first.acceptedAt
    const writes: QueuedWrite[] = []
    let last = first
    let newestAt = first.acceptedAt
    for (const record of records.slice(0, maxCount)) {
      const previous = writes.at(-1)?.write
      const isJoinable = record.kind === first.kind && record.query === first.query
      if (previous && !(isJoinable && previous.points.endsCleanly)) break
      writes.push(this.queuedWrite(log, record, lane, now))
      last = record
      newestAt = Math.max(newestAt, record.acceptedAt)
    }
    return { writes, newestAt, last: { log, sequence: last.sequence, next: last.next } }
  }

  /** The write as this process has queued it, or one that was read back. */
  private queuedWrite(
    log: SegmentLog,
    record: StoredRecord,
    lane: WriteLane,
    now: number,
  ): QueuedWrite {
    const queued = log === this.log ? this.queued.get(record.sequence) : undefined
    if (queued) return queued
    const kept = log === this.log ? this.notes.get(record.sequence) : undefined
    const note = kept ?? (hasNote(record) ? parseNote(record.body) : undefined)
    const write = { ...recordedWrite(record, this.lane.destination), recycle: this.recycle }
    return new QueuedWrite(write, note ? new FailedWrite(note) : ACKNOWLEDGED, lane, now)
  }

  private async read(
    log: SegmentLog,
    maxBytes: number,
    now: number,
  ): Promise<readonly StoredRecord[]> {
    try {
      const records = await log.peek(maxBytes)
      this.unreadableSince = undefined
      return records
    } catch (error) {
      if (!isUnreadable(error)) throw error
      this.unreadableSince ??= now
      if (now - this.unreadableSince < MAX_UNREADABLE_MS) throw error
      this.unreadableSince = undefined
      await log.dropUnreadable()
      throw error
    }
  }

  /** The oldest log that is not empty, or the last. An empty one is forgotten once it stays empty. */
  private async oldest(): Promise<SegmentLog | undefined> {
    for (let [log] = this.earlier; log?.isEmpty; [log] = this.earlier) {
      await log.sync()
      if (this.earlier[0] !== log) continue
      this.earlier.shift()
      await this.store.removeLane(log)
    }
    return this.earlier[0] ?? this.log
  }

  /**
   * Removes the writes up to a record.
   *
   * @throws an error of the disk; they are removed all the same
   */
  async advance(last: RecordPosition): Promise<void> {
    if (last.log === this.log) this.stopTracking(last.sequence + 1)
    await last.log.advance(last)
  }

  /**
   * Removes the oldest segment, once `record` has resolved for each of its writes. If it rejects, they may
   * be removed all the same: see `takeRemoved`.
   */
  async dropOldest(lane: WriteLane, record: (write: QueuedWrite) => Promise<void>): Promise<void> {
    const log = await this.oldest()
    await log?.dropOldest(async (records) => {
      for (const one of records) await record(this.queuedWrite(log, one, lane, 0))
    })
  }

  /** The tracked writes that are no longer on disk, although they were not delivered. */
  takeRemoved(): QueuedWrite[] {
    return this.stopTracking(this.log?.oldest ?? 0)
  }

  /** Forgets the writes in `log` before a record. Returns the ones whose clients may still wait. */
  private stopTracking(before: number): QueuedWrite[] {
    takeBefore(this.notes, before)
    return takeBefore(this.queued, before)
  }

  /** Stops tracking the writes whose clients have their answer. Remembers which were told of a failure. */
  forgetAnswered(): void {
    for (const [sequence, { tracker }] of this.queued) {
      if (tracker.isOpen) continue
      this.queued.delete(sequence)
      if (tracker.note) this.notes.set(sequence, tracker.note)
    }
  }

  /** Resolves once nothing that was removed can come back, even after a power cut. */
  async sync(): Promise<void> {
    await this.oldest()
    if (this.log && !this.log.isDurablyEmpty) await this.log.sync()
  }

  /**
   * Removes the lane's files if nothing is in them. A write that comes meanwhile gets new files: the old ones
   * are durably empty, so they need not be gone before.
   *
   * @throws an error of the disk
   */
  async discard(): Promise<void> {
    await this.sync()
    const { log } = this
    if (!log || !this.isDurablyEmpty) return
    // No append can be in between: from here to the next line nothing is waited for.
    this.log = undefined
    // The records of the next log have the same numbers.
    this.queued.clear()
    this.notes.clear()
    await this.store.removeLane(log)
  }
}

/** Removes the entries of records before one, in the order of their insertion. Returns their values. */
function takeBefore<Value>(bySequence: Map<number, Value>, before: number): Value[] {
  const taken: Value[] = []
  for (const [sequence, value] of bySequence) {
    if (sequence >= before) break
    bySequence.delete(sequence)
    taken.push(value)
  }
  return taken
}
