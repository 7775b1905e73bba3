/** Reads the records of a log in order, across segments and past damage. */

import { codeOf } from '../disk/disk.ts'
import type { Buffers, Disk, DiskFile } from '../runtime.ts'
import type { DamageListener, DamageReason } from './damage.ts'
import { copyDamage } from './damaged-folder.ts'
import type { LogRecord } from './record.ts'
import { type Found, RecordScanner, type ScanRange } from './record-scanner.ts'
import {
  nameOf,
  type Position,
  type RecordEnd,
  type Segment,
  type SegmentIndex,
} from './segment-index.ts'

/** A record read from a log. */
export interface StoredRecord extends LogRecord, RecordEnd {}

/** How much memory headers and queries of one run may take beside the bodies. */
const MAX_OVERHEAD_BYTES = 1024 * 1024

/** Consecutive records. */
class Run {
  readonly records: StoredRecord[] = []
  /** The start of the first record. Without records, the position up to which was read. */
  start: Position
  end: Position
  /** Whether lost records were skipped before the first. */
  hasLoss = false
  private bodyRoom: number
  private overheadRoom = MAX_OVERHEAD_BYTES

  constructor(from: Position, maxBytes: number) {
    this.start = from
    this.end = from
    this.bodyRoom = maxBytes
  }

  /** The longest body that still fits. The first may have any length. */
  get maxBodyBytes(): number {
    return this.records.length > 0 ? this.bodyRoom : Number.POSITIVE_INFINITY
  }

  /** Moves the end over bytes that hold no record. */
  skipTo(position: Position): void {
    this.end = position
    if (this.records.length === 0) this.start = position
  }

  /** Adds the record that starts at the end. Returns false if it does not fit. */
  add(record: StoredRecord): boolean {
    const overhead = record.next.offset - this.end.offset - record.body.length
    this.bodyRoom -= record.body.length
    this.overheadRoom -= overhead
    if (this.records.length > 0 && Math.min(this.bodyRoom, this.overheadRoom) < 0) return false
    this.records.push(record)
    this.end = record.next
    return true
  }
}

interface OpenSegment {
  readonly segment: Segment
  readonly file: DiskFile
  readonly scanner: RecordScanner
}

/** Its methods must not run at the same time. Appends may. */
export class SegmentReader {
  private readonly disk: Disk
  private readonly folder: string
  private readonly index: SegmentIndex
  private readonly listener: DamageListener
  private readonly buffers: Buffers
  /** The segment that was read last. */
  private current: OpenSegment | undefined

  constructor(
    disk: Disk,
    folder: string,
    index: SegmentIndex,
    listener: DamageListener,
    buffers: Buffers,
  ) {
    this.disk = disk
    this.folder = folder
    this.index = index
    this.listener = listener
    this.buffers = buffers
  }

  /**
   * Records from `from` on: at least one if there is any, with at most `maxBytes` of bodies unless the
   * first alone is longer. Damage on the way is copied and reported.
   *
   * Damage that lost records ends the run. The next run, which starts there, skips it. So everything before
   * the damage is delivered first, and the head then moves past it at once: after a restart it is not
   * reported again.
   *
   * @param last the last segment to read; by default the newest
   * @throws an error of the disk or of the listener, if no record could be read
   */
  async read(from: Position, maxBytes: number, last?: Segment): Promise<Run> {
    const run = new Run(from, maxBytes)
    let segment = this.index.segment(from.segment)
    try {
      while (segment && (await this.readSegment(segment, run))) {
        // The segment may have grown during the read, or another one may have followed.
        if (run.end.offset < segment.end) continue
        if (segment === last) break
        segment = this.index.after(segment)
        if (segment) run.skipTo({ ...run.end, segment: segment.first, offset: 0 })
      }
    } catch (error) {
      // The records before the error are delivered first. The next call runs into the error again.
      if (run.records.length === 0) throw error
    } finally {
      this.current?.scanner.dropWindow()
    }
    return run
  }

  /** Reports as lost, and skips, the bytes of a segment from `from` on, which the disk fails to read. */
  async skipUnreadable(segment: Segment, from: Position): Promise<void> {
    const end = { ...from, offset: segment.end, sequence: this.index.limitOf(segment) }
    await this.recordLoss(from, end)
    segment.mustKeepFile = true
    this.report(segment, from, end, 'unreadable', undefined)
  }

  async close(): Promise<void> {
    const file = this.current?.file
    this.current = undefined
    // The file was only read: an error of its close loses nothing.
    await file?.close().catch(() => {})
  }

  /** Adds records up to the end of the segment. Returns false if the run ends before. */
  private async readSegment(segment: Segment, run: Run): Promise<boolean> {
    for (;;) {
      const from = segment.skippedDamage.get(run.end.offset) ?? run.end
      const range = {
        end: segment.end,
        sequence: from.sequence,
        limit: this.index.limitOf(segment),
        maxBodyBytes: run.maxBodyBytes,
      }
      const { start: offset, header, record, reason } = await this.find(segment, from.offset, range)
      const sequence = header?.sequence ?? range.limit
      const start = { segment: segment.first, offset, sequence }
      if (offset > from.offset || sequence > from.sequence) {
        const isLoss = sequence > from.sequence
        if (isLoss && run.records.length > 0) return false
        await this.skipDamage(segment, from, start, reason ?? 'missing')
        run.hasLoss ||= isLoss
      }
      run.skipTo(start)
      if (!header) return true
      if (!record) return false
      const next = { ...start, offset: offset + header.bytes, sequence: sequence + 1 }
      if (!run.add({ ...record, sequence, next })) return false
    }
  }

  private async find(segment: Segment, from: number, range: ScanRange): Promise<Found> {
    try {
      const { scanner } = await this.open(segment)
      return await scanner.find(from, range)
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error
      return { start: range.end, header: undefined, record: undefined, reason: 'missing' }
    }
  }

  /** Copies and reports the damage between two positions. */
  private async skipDamage(
    segment: Segment,
    from: Position,
    to: Position,
    reason: DamageReason,
  ): Promise<void> {
    let copy: string | undefined
    if (to.offset > from.offset) {
      try {
        const { file } = await this.open(segment)
        const range = { from: from.offset, to: to.offset }
        copy = await copyDamage(this.disk, this.folder, segment, file, range)
      } catch {
        // The whole file is kept instead: a rename takes no space.
        segment.mustKeepFile = true
      }
    }
    await this.recordLoss(from, to)
    segment.skippedDamage.set(from.offset, to)
    this.report(segment, from, to, reason, copy)
  }

  private async recordLoss(from: Position, to: Position): Promise<void> {
    const records = to.sequence - from.sequence
    if (records === 0) return
    await this.listener.onLoss?.(records).catch((error: Error) => {
      // Without a code: an EIO of another file must not be mistaken for one of this segment.
      throw new Error(`cannot record a loss: ${error.message}`, { cause: error })
    })
  }

  private report(
    segment: Segment,
    from: Position,
    to: Position,
    reason: DamageReason,
    copy: string | undefined,
  ): void {
    this.listener.onDamage({
      file: `${this.folder}/${nameOf(segment.first)}`,
      offset: from.offset,
      bytes: to.offset - from.offset,
      records: to.sequence - from.sequence,
      reason,
      copy,
    })
  }

  private async open(segment: Segment): Promise<OpenSegment> {
    if (this.current?.segment === segment) return this.current
    await this.close()
    const file = await this.disk.open(`${this.folder}/${nameOf(segment.first)}`)
    this.current = { segment, file, scanner: new RecordScanner(file, this.buffers) }
    return this.current
  }
}
