/**
 * A queue of records in a folder: durable, ordered, and safe from whatever may happen to a disk and to
 * the power. docs/segments.md has the format and the reasons.
 */

import { BufferPool } from '../limits/buffer-pool.ts'
import type { Buffers, Disk } from '../runtime.ts'
import { isUnreadable } from './damage.ts'
import type { HeadFile } from './head-file.ts'
import { SegmentReader, type StoredRecord } from './reader.ts'
import type { LogRecord } from './record.ts'
import { type LogFolderOptions, type RecoveredLog, recover, removeSegment } from './recovery.ts'
import type { RecordEnd, Segment, SegmentIndex } from './segment-index.ts'
import { SegmentWriter } from './writer.ts'

export interface SegmentLogOptions extends LogFolderOptions {
  /** About the size of a segment file; one call's records are never divided. @default 8 MiB */
  readonly segmentBytes?: number
  /**
   * Memory for what is read. Who has done with a record that `peek` has given out may give
   * back that of its body; then all that it gave out with it is gone, too.
   */
  readonly buffers?: Buffers
}

const DEFAULT_SEGMENT_BYTES = 8 * 1024 * 1024

/** How much of a segment that is given up is handed over at one time, in bytes of bodies. */
const DROP_BYTES = 1024 * 1024

/**
 * Every method may be called at any time: `append` runs beside all others, and those take turns. But
 * there should be one reader, as two that peek are given the same records.
 *
 * Methods reject with the error of the disk, and can be called again: nothing is lost by a rejection.
 * Only one log may be open on a folder; `Disk.lock` keeps other processes out.
 */
export class SegmentLog {
  private readonly disk: Disk
  private readonly folder: string
  private readonly backlog: SegmentIndex
  private readonly head: HeadFile
  private readonly writer: SegmentWriter
  private readonly reader: SegmentReader
  private readonly isOrphan: boolean
  private turn: Promise<unknown> = Promise.resolve()
  private settled: boolean
  private closed = false

  /**
   * Opens the log in a folder, which is made if there is none. Reads the names in it, the position of the
   * head, and the last segment.
   */
  static async open(disk: Disk, folder: string, options: SegmentLogOptions): Promise<SegmentLog> {
    const log = new SegmentLog(disk, folder, await recover(disk, folder, options), options)
    await log.findOldest()
    return log
  }

  private constructor(
    disk: Disk,
    folder: string,
    { backlog, head, stray }: RecoveredLog,
    options: SegmentLogOptions,
  ) {
    const { segmentBytes = DEFAULT_SEGMENT_BYTES, buffers = new BufferPool() } = options
    this.disk = disk
    this.folder = folder
    this.backlog = backlog
    this.head = head
    this.writer = new SegmentWriter(disk, folder, backlog, { segmentBytes, stray })
    this.reader = new SegmentReader(disk, folder, backlog, options, buffers)
    this.isOrphan = options.isOrphan ?? false
    this.settled = backlog.isEmpty && backlog.drained.length === 0 && !stray
  }

  /** Bytes on disk that are still to be delivered. Damaged ones count until `peek` has met them. */
  get bytes(): number {
    return this.backlog.bytes
  }

  get isEmpty(): boolean {
    return this.backlog.isEmpty
  }

  /** The number of the oldest record that is still to be delivered, or lost to damage unseen. */
  get oldest(): number {
    return this.backlog.head.sequence
  }

  /**
   * When the record at the head was accepted. Undefined if the log is empty; also if the head is damaged
   * and was not yet met by `peek`.
   */
  get oldestAt(): number | undefined {
    return this.backlog.oldestAt
  }

  /**
   * Whether the log is empty, and will be found empty after whatever crash. Only then may a write pass it
   * by: otherwise an older one could come back and arrive after it. True until the next `append`,
   * whether or not that succeeds; made true by `sync`.
   */
  get isSettled(): boolean {
    return this.settled
  }

  /**
   * Resolves, once all the records are safe from a power cut, with the end of the last. Those of one
   * call are numbered in a row. Calls that come during a sync share the next one; the order of records is
   * that of calls.
   *
   * When it rejects, none of the records will be given out, but some may be after a restart, unless
   * `sync` made sure that they are not.
   */
  async append(records: readonly LogRecord[]): Promise<RecordEnd> {
    if (this.closed) throw closedError(this.folder)
    if (records.length === 0) return this.backlog.tail
    this.settled = false
    return this.writer.append(records)
  }

  /**
   * The oldest records, which stay in the log: at least one if there is any, together at most `maxBytes`
   * of body unless the first alone is larger. None only if the log is empty, or now turns out to be.
   * Damaged stretches in the way are copied to `damaged/` and reported. One that has cost records ends what
   * is given out, unless it is at the head; then it is taken out.
   */
  peek(maxBytes: number): Promise<StoredRecord[]> {
    return this.inTurn(async () => {
      const run = await this.reader.read(this.backlog.head, maxBytes)
      this.backlog.moveTo(run.start)
      // If the disk refuses, the next call that takes something out says so.
      if (run.hasLoss) await this.saveHead(true).catch(() => {})
      if (run.records[0] || this.isEmpty) this.backlog.oldestAt = run.records[0]?.acceptedAt
      return run.records
    })
  }

  /**
   * Takes out all records up to the end of one that `append` or `peek` has told. Does nothing if they are
   * out already.
   *
   * They are out even if it rejects. Once it resolves, a kill brings none of them back, and if it comes
   * sooner, no others than these; a power cut may bring back what was taken out since the last `sync`,
   * and everything behind it in order.
   */
  advance(last: RecordEnd): Promise<void> {
    return this.inTurn(async () => {
      if (last.sequence < this.backlog.head.sequence) return
      this.backlog.moveTo(last.next)
      await this.saveHead(this.backlog.drained.length > 0)
      await this.findOldest()
    })
  }

  /**
   * Once it resolves, nothing that was taken out before comes back, even after a power cut. If the log is
   * empty, and no append came in between, it is then settled: see `isSettled`.
   */
  sync(): Promise<void> {
    return this.inTurn(async () => {
      const [segment] = this.backlog.segments
      if (segment && this.isEmpty && this.writer.isIdle) await this.writer.finish(segment)
      this.backlog.moveTo(this.backlog.head)
      await this.saveHead(true)
      await this.writer.clean()
      // The names count, too: one of a segment that held nothing must not come back, and should the head
      // file be lost one day, they alone say that the log was empty.
      await this.disk.syncFolder(this.folder)
      this.settled = this.isEmpty && this.writer.isClean
      if (this.settled) await this.closeFiles()
    })
  }

  /**
   * Gives up the oldest segment: hands over its undelivered records, in order and in portions, and when
   * `enter` has resolved for all of them, takes them out for good. Records that were peeked and not
   * taken out are among them. What the disk fails to read of the segment is reported, and kept.
   */
  dropOldest(enter: (records: readonly StoredRecord[]) => Promise<void>): Promise<void> {
    return this.inTurn(async () => {
      const [oldest] = this.backlog.segments
      if (!oldest) return
      oldest.mustKeepFile ||= this.isOrphan
      await this.writer.finish(oldest)
      await this.handOver(oldest, enter)
      await this.takeOut(oldest)
    })
  }

  /**
   * Gives up the rest of the oldest segment, as `dropOldest` does, if the disk still fails to read what is
   * at its head; else does nothing.
   */
  giveUpUnreadable(): Promise<void> {
    return this.inTurn(async () => {
      const { head } = this.backlog
      const segment = this.backlog.segment(head.segment)
      const error = await this.reader.read(head, 1, segment).then(
        () => undefined,
        (error) => error,
      )
      if (!segment || !isUnreadable(error)) return
      await this.writer.finish(segment)
      await this.reader.giveUp(segment, head)
      await this.takeOut(segment)
    })
  }

  /** Waits for what was called before, then closes the files. Takes nothing out. */
  async close(): Promise<void> {
    if (this.closed) return
    const last = this.inTurn(async () => {
      await this.writer.close()
      await this.closeFiles()
    })
    this.closed = true
    await last
  }

  private async handOver(
    segment: Segment,
    enter: (records: readonly StoredRecord[]) => Promise<void>,
  ): Promise<void> {
    const { head } = this.backlog
    let at = head
    for (;;) {
      const run = await this.reader.read(at, DROP_BYTES, segment).catch(async (error) => {
        if (!isUnreadable(error) || (this.isOrphan && at === head)) throw error
        await this.reader.giveUp(segment, at)
      })
      if (!run || run.records.length === 0) return
      await enter(run.records)
      at = run.end
    }
  }

  /** Takes out the oldest segment as a whole, for good. */
  private async takeOut(segment: Segment): Promise<void> {
    const sequence = this.backlog.limitOf(segment)
    this.backlog.moveTo({ segment: segment.first, offset: segment.end, sequence })
    await this.saveHead(true)
    await this.findOldest()
  }

  /**
   * Writes down where the head is, then removes segments that are behind it. In this order: a head that
   * is older than the oldest segment would mean that records are missing.
   */
  private async saveHead(durable: boolean): Promise<void> {
    await this.head.write(this.backlog.head, durable)
    const { drained } = this.backlog
    while (durable && drained[0]) {
      await removeSegment(this.disk, this.folder, drained[0])
      drained.shift()
    }
  }

  private async findOldest(): Promise<void> {
    if (this.isEmpty) {
      this.backlog.oldestAt = undefined
      return
    }
    // If it cannot be read now, `peek` will find it, or say why.
    const found = await this.reader.acceptedAt(this.backlog.head).catch(() => undefined)
    if (found !== undefined) this.backlog.oldestAt = found
  }

  private async closeFiles(): Promise<void> {
    await this.reader.close()
    await this.head.close()
  }

  /** Runs a job when those before it have ended. */
  private inTurn<T>(job: () => Promise<T>): Promise<T> {
    if (this.closed) return Promise.reject(closedError(this.folder))
    const result = this.turn.then(job)
    this.turn = result.catch(() => {})
    return result
  }
}

function closedError(folder: string): Error {
  return new Error(`the log in ${folder} is closed`)
}
