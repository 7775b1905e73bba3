/** Reads the records of a log in order, over the ends of segments and past damage. */

import { codeOf } from '../disk/disk.ts'
import type { Buffers, Disk, DiskFile } from '../runtime.ts'
import { type DamageListener, type DamageReason, setAside } from './damage.ts'
import { HEADER_BYTES, type LogRecord, readHeader } from './record.ts'
import { type Found, RecordScanner, type ScanRange } from './record-scanner.ts'
import {
  nameOf,
  type Position,
  type RecordEnd,
  type Segment,
  type SegmentIndex,
} from './segment-index.ts'

/** A record as it came back. */
export interface StoredRecord extends LogRecord, RecordEnd {}

/** What headers and queries may take in memory beside the bodies of one run. */
const MAX_OVERHEAD_BYTES = 1024 * 1024

/** Records in a row. */
export class Run {
  readonly records: StoredRecord[] = []
  /** Where the first record starts; without any, where reading ended. */
  start: Position
  end: Position
  /** Whether records that are lost were passed over on the way to the first. */
  hasLoss = false
  private bodyRoom: number
  private overheadRoom = MAX_OVERHEAD_BYTES

  constructor(from: Position, maxBytes: number) {
    this.start = from
    this.end = from
    this.bodyRoom = maxBytes
  }

  /** The longest body that it still takes. The first may have any length. */
  get room(): number {
    return this.records.length > 0 ? this.bodyRoom : Number.POSITIVE_INFINITY
  }

  /** Goes on at `position`: there is nothing in between. */
  skipTo(position: Position): void {
    this.end = position
    if (this.records.length === 0) this.start = position
  }

  /** Takes the record that starts at the end; false if it does not fit. */
  take(record: StoredRecord): boolean {
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
  readonly finder: RecordScanner
}

/** Its methods must not run at the same time as each other. Appending may go on. */
export class SegmentReader {
  private readonly disk: Disk
  private readonly folder: string
  private readonly backlog: SegmentIndex
  private readonly listener: DamageListener
  private readonly buffers: Buffers
  /** The segment that was read last. */
  private current: OpenSegment | undefined

  constructor(
    disk: Disk,
    folder: string,
    backlog: SegmentIndex,
    listener: DamageListener,
    buffers: Buffers,
  ) {
    this.disk = disk
    this.folder = folder
    this.backlog = backlog
    this.listener = listener
    this.buffers = buffers
  }

  /**
   * Records from `from` on: at least one if there is any, and together at most `maxBytes` of body unless
   * the first alone is larger. Damage in the way is set aside and reported. If it has cost records, it ends
   * the run, and is passed over only when nothing is left before it: so it can be taken out at once, and is
   * not met again after a restart.
   *
   * @param last the last segment to read; by default the last there is
   * @throws an error of the disk, or of the listener, if not a single record could be read
   */
  async read(from: Position, maxBytes: number, last?: Segment): Promise<Run> {
    const run = new Run(from, maxBytes)
    let segment = this.backlog.segment(from.segment)
    try {
      while (segment && (await this.readSegment(segment, run))) {
        // It may have grown in the meantime, and even have been followed by another.
        if (run.end.offset < segment.end) continue
        if (segment === last) break
        segment = this.backlog.after(segment)
        if (segment) run.skipTo({ ...run.end, segment: segment.first, offset: 0 })
      }
    } catch (error) {
      // What could be read is delivered first. The next call meets the error again.
      if (run.records.length === 0) throw error
    } finally {
      this.current?.finder.forget()
    }
    return run
  }

  /** The accepted-at of the record at `at`, or undefined if there is no intact header. */
  async acceptedAt(at: Position): Promise<number | undefined> {
    const segment = this.backlog.segment(at.segment)
    if (!segment || at.offset >= segment.end) return undefined
    const { file } = await this.enter(segment)
    return readHeader(await file.read(at.offset, HEADER_BYTES), 0)?.acceptedAt
  }

  /** Gives up what is left of a segment, behind `from`, that the disk fails to read. */
  async giveUp(segment: Segment, from: Position): Promise<void> {
    const end = { ...from, offset: segment.end, sequence: this.backlog.limitOf(segment) }
    await this.noteLoss(from, end)
    segment.mustKeepFile = true
    this.report(segment, from, end, 'unreadable', undefined)
  }

  async close(): Promise<void> {
    const file = this.current?.file
    this.current = undefined
    // Only read from: whatever the disk says now, nothing is lost by it.
    await file?.close().catch(() => {})
  }

  /** Reads to the end of a segment, true, or until the run is full, false. */
  private async readSegment(segment: Segment, run: Run): Promise<boolean> {
    for (;;) {
      const from = segment.passed.get(run.end.offset) ?? run.end
      const extent = {
        end: segment.end,
        sequence: from.sequence,
        limit: this.backlog.limitOf(segment),
        room: run.room,
      }
      const found = await this.find(segment, from.offset, extent)
      const sequence = found.header?.sequence ?? extent.limit
      const start = { segment: segment.first, offset: found.start, sequence }
      if (start.offset > from.offset || sequence > from.sequence) {
        const isLoss = sequence > from.sequence
        if (isLoss && run.records.length > 0) return false
        await this.passOver(segment, from, start, found.reason ?? 'missing')
        run.hasLoss ||= isLoss
      }
      run.skipTo(start)
      const record = storedAt(start, found)
      if (!record) return found.header === undefined
      if (!run.take(record)) return false
    }
  }

  private async find(segment: Segment, from: number, extent: ScanRange): Promise<Found> {
    try {
      const { finder } = await this.enter(segment)
      return await finder.find(from, extent)
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error
      return { start: extent.end, header: undefined, record: undefined, reason: 'missing' }
    }
  }

  /** Saves and reports what lies between two positions, once. */
  private async passOver(
    segment: Segment,
    from: Position,
    to: Position,
    reason: DamageReason,
  ): Promise<void> {
    let copy: string | undefined
    if (to.offset > from.offset) {
      try {
        const { file } = await this.enter(segment)
        const stretch = { from: from.offset, to: to.offset }
        copy = await setAside(this.disk, this.folder, nameOf(segment.first), file, stretch)
      } catch {
        // The whole file will be kept instead: moving it takes no space.
        segment.mustKeepFile = true
      }
    }
    await this.noteLoss(from, to)
    segment.passed.set(from.offset, to)
    this.report(segment, from, to, reason, copy)
  }

  private async noteLoss(from: Position, to: Position): Promise<void> {
    const records = to.sequence - from.sequence
    if (records === 0) return
    await this.listener.onLoss?.(records).catch((error: Error) => {
      // Without its code: an EIO of another file must not be taken for one of this segment.
      throw new Error(`a loss cannot be noted: ${error.message}`, { cause: error })
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

  private async enter(segment: Segment): Promise<OpenSegment> {
    if (this.current?.segment === segment) return this.current
    await this.close()
    const file = await this.disk.open(`${this.folder}/${nameOf(segment.first)}`)
    this.current = { segment, file, finder: new RecordScanner(file, this.buffers) }
    return this.current
  }
}

function storedAt(start: Position, { header, record }: Found): StoredRecord | undefined {
  if (!header || !record) return undefined
  const { segment, offset, sequence } = start
  const next = { segment, offset: offset + header.bytes, sequence: sequence + 1 }
  return { ...record, sequence, next }
}
