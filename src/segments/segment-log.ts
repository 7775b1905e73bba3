/**
 * A queue of records in a folder: ordered, durable, and safe from crashes and from faults of the disk.
 * docs/segments.md has the format and the reasons.
 */

import { removeIfThere } from '../disk/atomic-file.ts'
import { codeOf } from '../disk/disk.ts'
import { BufferPool } from '../limits/buffer-pool.ts'
import type { Buffers, Disk } from '../runtime.ts'
import { isUnreadable } from './damage.ts'
import { removeSegment } from './damaged-folder.ts'
import { HEAD, type HeadFile } from './head-file.ts'
import { SegmentReader, type StoredRecord } from './reader.ts'
import type { LogRecord } from './record.ts'
import { type RecoveredLog, type RecoveryOptions, recover } from './recovery.ts'
import { type RecordEnd, type Segment, type SegmentIndex, startOf } from './segment-index.ts'
import { SegmentWriter } from './writer.ts'

export interface SegmentLogOptions extends RecoveryOptions {
  /** The size at which a segment is full. The records of one call are never split. @default 8 MiB */
  readonly segmentBytes?: number
  /**
   * Memory for what is read. The memory of a body that `peek` returned may be given back, and then no other
   * record of the same call may be used any more.
   */
  readonly buffers?: Buffers
}

const DEFAULT_SEGMENT_BYTES = 8 * 1024 * 1024

/** How many bytes of bodies `dropOldest` passes on at a time. */
const DROP_BYTES = 1024 * 1024

/**
 * All methods may be called at any time: appends run beside the others, which run one after the other.
 *
 * A method rejects with the error of the disk, and can be called again: a rejection loses nothing. One log
 * at a time may be open on a folder; `Disk.lock` keeps other processes out.
 */
export class SegmentLog {
  private readonly disk: Disk
  private readonly folder: string
  private readonly index: SegmentIndex
  private readonly head: HeadFile
  private readonly writer: SegmentWriter
  private readonly reader: SegmentReader
  private turn: Promise<unknown> = Promise.resolve()
  private isClosed = false
  private durablyEmpty: boolean

  /**
   * Opens the log in a folder, or makes the folder. Reads the file names, the head, and the newest segment.
   *
   * @throws an error of the disk or of the listener
   */
  static async open(disk: Disk, folder: string, options: SegmentLogOptions): Promise<SegmentLog> {
    return new SegmentLog(disk, folder, await recover(disk, folder, options), options)
  }

  private constructor(
    disk: Disk,
    folder: string,
    { index, head, hasStray, unsynced }: RecoveredLog,
    options: SegmentLogOptions,
  ) {
    const { segmentBytes = DEFAULT_SEGMENT_BYTES, buffers = new BufferPool() } = options
    this.disk = disk
    this.folder = folder
    this.index = index
    this.head = head
    this.writer = new SegmentWriter(disk, folder, index, { segmentBytes, hasStray, unsynced })
    this.reader = new SegmentReader(disk, folder, index, options, buffers)
    // A segment that is drained counts: if the head file is ever lost, its records come back.
    this.durablyEmpty = index.segments.length === 0 && !index.drained && !hasStray
  }

  /** Undelivered bytes on disk. Damaged ones count until `peek` has skipped them. */
  get bytes(): number {
    return this.index.bytes
  }

  get isEmpty(): boolean {
    return this.index.isEmpty
  }

  /** The sequence number of the oldest undelivered record, which may be lost to damage. */
  get oldest(): number {
    return this.index.head.sequence
  }

  /** The sequence number of the newest record. */
  get newest(): number {
    return this.index.next - 1
  }

  /**
   * Whether the log is empty and will be found empty after any crash. Only then may a write bypass it:
   * otherwise an older one could come back and be delivered after it. `sync` makes it true, the next
   * `append` makes it false, whether or not that succeeds.
   */
  get isDurablyEmpty(): boolean {
    return this.durablyEmpty
  }

  /**
   * Resolves, once all the records are synced, with the end of the last. The records of one call get
   * consecutive numbers. Calls that come during a sync share the next one; records keep the order of calls.
   *
   * If it rejects, `peek` returns none of the records. After a restart some may be there, unless a later
   * `sync` has resolved.
   *
   * @throws RangeError if a query is too long, or an error of the disk
   */
  async append(records: readonly LogRecord[]): Promise<RecordEnd> {
    if (this.isClosed) throw closedError(this.folder)
    if (records.length === 0) return this.index.tail
    this.durablyEmpty = false
    return this.writer.append(records)
  }

  /**
   * The oldest records, which stay in the log: at least one if there is any, with at most `maxBytes` of
   * bodies unless the first alone is longer. Empty only if the log is empty, or turns out to be.
   *
   * Damage on the way is copied to `damaged/` and reported. Damage that lost records ends the result; once
   * it is at the head, it is removed from the log.
   */
  peek(maxBytes: number): Promise<StoredRecord[]> {
    return this.inTurn(async () => {
      const run = await this.reader.read(this.index.head, maxBytes)
      this.index.moveTo(run.start)
      // If the disk fails here, the next call that moves the head rejects.
      if (run.hasLoss) await this.saveHead(true).catch(() => {})
      return run.records
    })
  }

  /**
   * Removes all records up to the end of one that `append` or `peek` returned. Does nothing if they are
   * removed already.
   *
   * They are removed even if it rejects. Once it resolves, a kill brings none of them back; a power cut may
   * bring back records removed since the last `sync`, together with all that follow them.
   */
  advance(last: RecordEnd): Promise<void> {
    return this.inTurn(async () => {
      if (last.sequence < this.index.head.sequence) return
      this.index.moveTo(last.next)
      await this.saveHead(this.index.drained !== undefined)
    })
  }

  /**
   * Once it resolves, no record that was removed before comes back, even after a power cut. If the log is
   * empty and no append came in between, it is durably empty.
   */
  sync(): Promise<void> {
    return this.inTurn(async () => {
      const [segment] = this.index.segments
      if (segment && this.isEmpty && this.writer.isIdle) await this.writer.finish(segment)
      this.index.moveTo(this.index.head)
      await this.saveHead(true)
      await this.writer.clean()
      // Removed names must not come back: if the head file is ever lost, they alone show that the log was
      // empty.
      await this.disk.syncFolder(this.folder)
      this.durablyEmpty = this.isEmpty && this.writer.isClean
      if (this.durablyEmpty) await this.closeFiles()
    })
  }

  /**
   * Drops the oldest segment: passes its undelivered records, in order and in portions, to `onDrop`, and
   * removes them durably once it has resolved for all. Records that the disk fails to read are reported,
   * and the file is kept in `damaged/`.
   */
  dropOldest(onDrop: (records: readonly StoredRecord[]) => Promise<void>): Promise<void> {
    return this.inTurn(async () => {
      const [segment] = this.index.segments
      if (!segment) return
      await this.writer.finish(segment)
      let at = this.index.head
      for (;;) {
        const run = await this.reader.read(at, DROP_BYTES, segment).catch(async (error) => {
          if (!isUnreadable(error)) throw error
          await this.reader.skipUnreadable(segment, at)
        })
        if (!run || run.records.length === 0) break
        await onDrop(run.records)
        at = run.end
      }
      await this.remove(segment)
    })
  }

  /**
   * Drops the rest of the oldest segment if the disk still fails to read the record at the head; else does
   * nothing. The records are reported as lost, and the file is kept in `damaged/`.
   */
  dropUnreadable(): Promise<void> {
    return this.inTurn(async () => {
      const { head } = this.index
      const segment = this.index.segment(head.segment)
      if (!segment) return
      const error = await this.reader.read(head, 1, segment).then(
        () => undefined,
        (error) => error,
      )
      if (!isUnreadable(error)) return
      await this.writer.finish(segment)
      await this.reader.skipUnreadable(segment, head)
      await this.remove(segment)
    })
  }

  /** Waits for the calls before it, then closes the files. Removes nothing. */
  async close(): Promise<void> {
    if (this.isClosed) return
    const last = this.inTurn(async () => {
      await this.writer.close()
      await this.closeFiles()
    })
    this.isClosed = true
    await last
  }

  /**
   * Closes a log that is durably empty, and removes its folder. Copies of damaged bytes stay, and the folder
   * with them.
   *
   * @throws an error of the disk; it can be called again
   */
  async discard(): Promise<void> {
    await this.close()
    await removeIfThere(this.disk, `${this.folder}/${HEAD}`)
    try {
      await this.disk.removeFolder(this.folder)
    } catch (error) {
      if (!['ENOENT', 'ENOTEMPTY'].includes(codeOf(error) ?? '')) throw error
    }
  }

  /** Removes the oldest segment durably, delivered or not. */
  private async remove(segment: Segment): Promise<void> {
    const sequence = this.index.limitOf(segment)
    this.index.moveTo({ ...startOf(segment), offset: segment.end, sequence })
    await this.saveHead(true)
  }

  /**
   * Saves the head, then removes the segments before it. In this order: a head before the oldest segment
   * would mean that records are missing.
   */
  private async saveHead(durable: boolean): Promise<void> {
    await this.head.write(this.index.head, durable)
    while (durable && this.index.drained) {
      await removeSegment(this.disk, this.folder, this.index.drained)
      this.index.removed()
    }
  }

  private async closeFiles(): Promise<void> {
    await this.reader.close()
    await this.head.close()
  }

  /** Runs a job once all jobs before it have ended. */
  private inTurn<T>(job: () => Promise<T>): Promise<T> {
    if (this.isClosed) return Promise.reject(closedError(this.folder))
    const result = this.turn.then(job)
    this.turn = result.catch(() => {})
    return result
  }
}

function closedError(folder: string): Error {
  return new Error(`the log in ${folder} is closed`)
}
