/**
 * Appends records to a log. Calls that come during a sync share the next one.
 *
 * A byte is written once. A segment is written by one process, until its first failure: each start and each
 * error begin a new one. So a later write cannot damage what was synced, and a file whose sync failed,
 * whose content is unknown, takes no more records.
 */

import { createAnew, removeIfThere } from '../disk/atomic-file.ts'
import type { Disk, DiskFile } from '../runtime.ts'
import { type EncodedRecord, encode, type LogRecord, prepare } from './record.ts'
import type { RecoveredLog } from './recovery.ts'
import {
  createSegment,
  nameOf,
  type Position,
  type RecordEnd,
  type Segment,
  type SegmentIndex,
} from './segment-index.ts'

interface Append {
  readonly records: readonly EncodedRecord[]
  readonly bytes: number
  resolve(last: RecordEnd): void
  reject(error: unknown): void
}

interface OpenSegment {
  readonly segment: Segment
  readonly file: DiskFile
}

interface WriterOptions extends Pick<RecoveredLog, 'hasStray' | 'unsynced'> {
  readonly segmentBytes: number
}

export class SegmentWriter {
  private readonly disk: Disk
  private readonly folder: string
  private readonly segmentBytes: number
  private readonly index: SegmentIndex
  /** The segment that takes the next records. */
  private current: OpenSegment | undefined
  private waiting: Append[] = []
  /** How many appends have not ended, those being written included. */
  private pending = 0
  /** Everything the writer does on disk happens in here, one thing at a time. Never rejects. */
  private loop: Promise<void> | undefined
  private group: Promise<void> | undefined
  /** Whether a file may have the name of the next segment. It holds nothing acknowledged. */
  private hasStray: boolean
  /** A segment of an earlier process that may not be synced. The name of the next one depends on its records. */
  private unsynced: Segment | undefined

  constructor(
    disk: Disk,
    folder: string,
    index: SegmentIndex,
    { segmentBytes, hasStray, unsynced }: WriterOptions,
  ) {
    this.disk = disk
    this.folder = folder
    this.index = index
    this.segmentBytes = segmentBytes
    this.hasStray = hasStray
    this.unsynced = unsynced
  }

  append(records: readonly LogRecord[]): Promise<RecordEnd> {
    const encoded = records.map(prepare)
    const bytes = encoded.reduce((sum, record) => sum + record.bytes, 0)
    return new Promise((resolve, reject) => {
      this.pending++
      this.waiting.push({ records: encoded, bytes, resolve, reject })
      this.loop ??= this.writeAll()
    })
  }

  get isIdle(): boolean {
    return this.pending === 0
  }

  /** Whether it is idle and no file is left of an append that failed. */
  get isClean(): boolean {
    return this.isIdle && !this.hasStray
  }

  /** Closes a segment. Once this resolves, the segment does not change any more. */
  async finish(segment: Segment): Promise<void> {
    segment.closed = true
    await this.group
    if (this.current?.segment === segment) await this.closeFile()
  }

  /** If it is idle, removes the file that an append that failed has left. The caller syncs the folder. */
  async clean(): Promise<void> {
    if (!this.isIdle) return
    await this.loop
    if (this.loop || !this.hasStray) return
    const removal = this.removeStray()
    const resume = () => this.writeAll()
    this.loop = removal.then(resume, resume)
    await removal
  }

  /** Waits for all appends. */
  async close(): Promise<void> {
    await this.loop
    await this.closeFile()
  }

  private async writeAll(): Promise<void> {
    // Appends of the same turn share the first sync.
    await undefined
    while (this.waiting.length > 0) {
      this.group = this.writeGroup(this.takeGroup())
      await this.group
    }
    this.loop = undefined
  }

  /** The appends to write next: as many as fit into the segment, at least one. */
  private takeGroup(): Append[] {
    const segment = this.current?.segment
    const [{ bytes }] = this.waiting as [Append]
    if (segment && segment.end + bytes > this.segmentBytes) segment.closed = true
    let room = this.segmentBytes - bytes - (segment && !segment.closed ? segment.end : 0)
    let count = 1
    for (; count < this.waiting.length; count++) {
      room -= (this.waiting[count] as Append).bytes
      if (room < 0) break
    }
    return this.waiting.splice(0, count)
  }

  private async writeGroup(appends: readonly Append[]): Promise<void> {
    const { index } = this
    const records = appends.flatMap((append) => append.records)
    let at: Position
    try {
      const bytes = encode(records, index.next)
      const isNew = this.current === undefined || this.current.segment.closed
      const { segment, file } = isNew ? await this.createFile() : (this.current as OpenSegment)
      await file.write(segment.end, bytes)
      await file.sync()
      if (isNew) {
        // A power cut would lose a segment whose name is not synced.
        await this.disk.syncFolder(this.folder)
        this.hasStray = false
        index.add(segment)
      }
      at = { segment: segment.first, offset: segment.end, sequence: index.next }
      index.grow(segment, records)
    } catch (error) {
      await this.endFailedSegment()
      this.pending -= appends.length
      for (const append of appends) append.reject(error)
      return
    }
    this.pending -= appends.length
    for (const { records, bytes, resolve } of appends) {
      const sequence = at.sequence + records.length
      at = { ...at, offset: at.offset + bytes, sequence }
      resolve({ sequence: sequence - 1, next: at })
    }
  }

  private async createFile(): Promise<OpenSegment> {
    await this.closeFile()
    await this.syncEarlier()
    const segment = createSegment(this.index.next, 0)
    this.hasStray = true
    const file = await createAnew(this.disk, this.pathOf(segment.first))
    this.current = { segment, file }
    return this.current
  }

  /** Makes what an earlier process has written outlast a power cut, unless it is delivered and removed. */
  private async syncEarlier(): Promise<void> {
    if (!this.unsynced) return
    const { first } = this.unsynced
    if (this.index.segment(first)) {
      const file = await this.disk.open(this.pathOf(first))
      await file.sync().finally(() => file.close())
    }
    this.unsynced = undefined
  }

  /**
   * Closes the segment in which a write or a sync has failed. Acknowledged records stay in it. The rest is
   * cut off if the disk allows it; if not, the name of the next segment shows where this one ends.
   */
  private async endFailedSegment(): Promise<void> {
    const failed = this.current
    this.current = undefined
    if (!failed) return
    const { segment, file } = failed
    segment.closed = true
    const cutOff = async () => {
      await file.truncate(segment.end)
      await file.sync()
    }
    await cutOff().catch(() => {})
    await file.close().catch(() => {})
  }

  private async removeStray(): Promise<void> {
    await removeIfThere(this.disk, this.pathOf(this.index.next))
    this.hasStray = false
  }

  private async closeFile(): Promise<void> {
    const file = this.current?.file
    this.current = undefined
    // Everything in it is synced: an error of its close loses nothing.
    await file?.close().catch(() => {})
  }

  private pathOf(first: number): string {
    return `${this.folder}/${nameOf(first)}`
  }
}
