/** A lane's share of the disk: writes that its backend has yet to take, and their deliveries. */

import { scan } from '../influxdb/scan.ts'
import { type Destination, recordedDestination, type Write } from '../influxdb/write.ts'
import { isUnreadable } from '../segments/damage.ts'
import type { StoredRecord } from '../segments/reader.ts'
import { HEADER_BYTES, type LogRecord } from '../segments/record.ts'
import type { RecordEnd } from '../segments/segment-index.ts'
import type { SegmentLog } from '../segments/segment-log.ts'
import type { Entry } from './queued-write.ts'

/** The end of a record on disk: each log has its own numbers. */
export interface Mark extends RecordEnd {
  readonly log: SegmentLog
}

/** Writes from the head of the backlog that can be sent as one. */
export interface Portion {
  readonly writes: readonly Write[]
  /** Those of the writes that this process accepted and whose clients may still wait, by their place. */
  readonly entries: readonly (Entry | undefined)[]
  /** When the youngest was accepted, ms since the Unix epoch. */
  readonly newestAt: number
  readonly last: Mark
}

/** The kind of a record that holds line protocol; 0, as in files from before there were kinds. */
const POINTS = 0

/** How long the disk may fail to read what is next before that is set aside. */
const MAX_UNREADABLE_MS = 60_000

export class Handoff {
  private readonly open: (destination: Destination) => Promise<SegmentLog>
  private readonly destination: Destination
  /** Logs that come before the one that is written to, while something may be in them. */
  private readonly earlier: SegmentLog[]
  private log: SegmentLog | undefined
  /** Deliveries of writes in `log`, by their records' numbers. */
  private readonly entries = new Map<number, Entry>()
  /** Since when the disk fails to read what is next, by the clock. */
  private unreadableSince: number | undefined

  /**
   * @param open opens the lane's log; not called before something has to be written
   * @param logs what the lane has on disk, the oldest first
   */
  constructor(
    destination: Destination,
    open: (destination: Destination) => Promise<SegmentLog>,
    logs: readonly SegmentLog[] = [],
  ) {
    this.destination = destination
    this.open = open
    this.earlier = logs.slice(0, -1)
    this.log = logs.at(-1)
  }

  /** Whether there is, or may be, something on disk. */
  get isOpen(): boolean {
    return this.log !== undefined
  }

  get isEmpty(): boolean {
    return (this.log?.isEmpty ?? true) && this.earlier.every((log) => log.isEmpty)
  }

  get bytes(): number {
    let sum = this.log?.bytes ?? 0
    for (const { bytes } of this.earlier) sum += bytes
    return sum
  }

  /** The deliveries of writes on disk for which somebody may still wait. */
  get pending(): Iterable<Entry> {
    return this.entries.values()
  }

  /**
   * Puts writes on disk, behind those that are there. Resolves with the last one's record.
   *
   * @throws the error of the disk; then none of them is there
   */
  async append(entries: readonly Entry[], acceptedAt: number): Promise<Mark> {
    this.log ??= await this.open(this.destination)
    const { log } = this
    const { sequence, next } = await log.append(
      entries.map(({ write }) => ({
        kind: POINTS,
        acceptedAt,
        query: write.destination.query,
        body: write.points.bytes,
      })),
    )
    for (const [i, entry] of entries.entries()) {
      this.entries.set(sequence - entries.length + 1 + i, entry)
    }
    return { log, sequence, next }
  }

  /**
   * The next writes that can be sent as one, at most `count`. They stay on disk.
   *
   * What the disk fails to read for long is given up: it must not hold up for ever what can be read.
   *
   * @param now by the clock
   * @throws an error of the disk
   */
  async peek(maxBytes: number, count: number, now: number): Promise<Portion | undefined> {
    const log = await this.oldest()
    if (!log) return undefined
    const records = await this.read(log, maxBytes, now)
    const writes: Write[] = []
    for (const { query, body } of records.slice(0, count)) {
      const previous = writes.at(-1)
      if (previous && (previous.destination.query !== query || !previous.points.endsCleanly)) break
      writes.push(recordedWrite({ query, body }, this.destination))
    }
    const taken = records.slice(0, writes.length)
    const end = taken.at(-1)
    if (!end) return undefined
    return {
      writes,
      entries: taken.map(({ sequence }) => this.entryOf(log, sequence)),
      newestAt: Math.max(...taken.map(({ acceptedAt }) => acceptedAt)),
      last: { log, sequence: end.sequence, next: end.next },
    }
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

  /** The log that is next. Before it is another, nothing can come back to the one that was. */
  private async oldest(): Promise<SegmentLog | undefined> {
    for (let [log] = this.earlier; log?.isEmpty; [log] = this.earlier) {
      await log.sync()
      if (this.earlier[0] === log) this.earlier.shift()
    }
    return this.earlier[0] ?? this.log
  }

  private entryOf(log: SegmentLog, sequence: number): Entry | undefined {
    return log === this.log ? this.entries.get(sequence) : undefined
  }

  /** Takes the writes up to a record off the disk: they are delivered, or will never be. */
  async advance(last: Mark): Promise<void> {
    for (const sequence of this.entries.keys()) {
      if (last.log !== this.log || sequence > last.sequence) break
      this.entries.delete(sequence)
    }
    await last.log.advance(last)
  }

  /**
   * Gives up the oldest writes, one segment of them, when `enter` has taken note of each. If it rejects
   * they may be gone all the same: `takeLost` knows.
   */
  async dropOldest(enter: (write: Write) => Promise<void>): Promise<void> {
    const log = await this.oldest()
    await log?.dropOldest(async (records) => {
      for (const record of records) await enter(recordedWrite(record, this.destination))
    })
  }

  /** Deliveries of writes that were on disk and are gone, given up or lost to damage. */
  takeLost(): Entry[] {
    const lost: Entry[] = []
    for (const [sequence, entry] of this.entries) {
      if (sequence >= (this.log?.oldest ?? 0)) break
      lost.push(entry)
      this.entries.delete(sequence)
    }
    return lost
  }

  /** Forgets deliveries that nobody waits for any more: their writes are on disk. */
  forget(isOver: (entry: Entry) => boolean): void {
    for (const [sequence, entry] of this.entries) {
      if (isOver(entry)) this.entries.delete(sequence)
    }
  }

  /** Resolves once nothing that was taken off can come back, not even after a power cut. */
  async settle(): Promise<void> {
    await this.oldest()
    if (this.log && !this.log.isDurablyEmpty) await this.log.sync()
  }
}

/** The write that a record of a lane holds. */
export function recordedWrite(record: Pick<LogRecord, 'query' | 'body'>, lane: Destination): Write {
  const destination = recordedDestination(record.query, lane)
  const points = { bytes: record.body, ...scan(record.body) }
  return { kind: 'points', destination, points, consistency: 'one' }
}

/** What writes take on disk. */
export function bytesOnDisk(entries: readonly Entry[]): number {
  return entries.reduce((sum, { bytes, write }) => {
    return sum + HEADER_BYTES + write.destination.query.length + bytes
  }, 0)
}
