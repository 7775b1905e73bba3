/**
 * Appends records to a log, many calls to one sync.
 *
 * A byte of a segment is written once, and a segment by one process and without a failure: after each
 * start and each error a new one is begun. So nothing that was synced is put at risk by what comes
 * later, and a file whose sync failed, of which nobody knows what it holds, is not trusted with more.
 */

import { codeOf, createAnew } from '../disk/disk.ts'
import type { Disk, DiskFile } from '../runtime.ts'
import { type EncodedRecord, encode, type LogRecord, prepare } from './record.ts'
import {
  createSegment,
  nameOf,
  type Position,
  type RecordEnd,
  type Segment,
  type SegmentIndex,
} from './segment-index.ts'

interface Call {
  readonly drafts: readonly EncodedRecord[]
  readonly bytes: number
  resolve(last: RecordEnd): void
  reject(error: unknown): void
}

export class SegmentWriter {
  private readonly disk: Disk
  private readonly folder: string
  private readonly segmentBytes: number
  private readonly backlog: SegmentIndex
  /** The segment that takes the next records. */
  private current: { readonly segment: Segment; readonly file: DiskFile } | undefined
  /** Calls that are neither resolved nor rejected, and those of them that are not being written. */
  private pending = 0
  private waiting: Call[] = []
  /** All that the writer does on disk it does in here, one thing after the other. Never rejects. */
  private loop: Promise<void> | undefined
  private group: Promise<void> | undefined
  /** Whether there may be a file with the name of the next segment that holds nothing acknowledged. */
  private stray: boolean

  /** @param stray whether there is a file with the name of the next segment */
  constructor(
    disk: Disk,
    folder: string,
    backlog: SegmentIndex,
    { segmentBytes, stray }: { segmentBytes: number; stray: boolean },
  ) {
    this.disk = disk
    this.folder = folder
    this.backlog = backlog
    this.segmentBytes = segmentBytes
    this.stray = stray
  }

  append(records: readonly LogRecord[]): Promise<RecordEnd> {
    const drafts = records.map(prepare)
    const bytes = sum(drafts)
    return new Promise((resolve, reject) => {
      this.pending++
      this.waiting.push({ drafts, bytes, resolve, reject })
      this.loop ??= this.writeAll()
    })
  }

  /** Whether no call is on its way to the disk. */
  get isIdle(): boolean {
    return this.pending === 0
  }

  /** Whether, besides, nothing is left of calls that failed. */
  get isClean(): boolean {
    return this.isIdle && !this.stray
  }

  /** Has the next record begin a new segment. Once this resolves, `segment` is as it will stay. */
  async finish(segment: Segment): Promise<void> {
    segment.closed = true
    await this.group
    if (this.current?.segment === segment) await this.leave()
  }

  /**
   * Removes what failed calls have left, unless another call is on its way. The folder is still to be
   * synced.
   */
  async clean(): Promise<void> {
    if (!this.isIdle) return
    await this.loop
    if (this.loop || !this.stray) return
    const removal = this.removeStray()
    const goOn = () => this.writeAll()
    this.loop = removal.then(goOn, goOn)
    await removal
  }

  /** Waits for all calls. */
  async close(): Promise<void> {
    await this.loop
    await this.leave()
  }

  private async writeAll(): Promise<void> {
    // Calls of the same turn share even the first sync.
    await undefined
    while (this.waiting.length > 0) {
      this.group = this.writeGroup(this.takeGroup())
      await this.group
    }
    this.loop = undefined
  }

  /** The calls that go into one write: as many as fit into a segment, at least one. */
  private takeGroup(): Call[] {
    const used = this.current && !this.current.segment.closed ? this.current.segment.end : 0
    const [first] = this.waiting as [Call]
    if (this.current && used + first.bytes > this.segmentBytes) this.current.segment.closed = true
    let room = this.segmentBytes - (this.current?.segment.closed ? 0 : used) - first.bytes
    let count = 1
    for (; count < this.waiting.length; count++) {
      room -= (this.waiting[count] as Call).bytes
      if (room < 0) break
    }
    return this.waiting.splice(0, count)
  }

  private async writeGroup(calls: readonly Call[]): Promise<void> {
    let at: Position
    try {
      at = await this.store(calls.flatMap(({ drafts }) => drafts))
    } catch (error) {
      await this.abandon()
      this.pending -= calls.length
      for (const call of calls) call.reject(error)
      return
    }
    this.pending -= calls.length
    for (const { drafts, bytes, resolve } of calls) {
      const sequence = at.sequence + drafts.length
      at = { ...at, offset: at.offset + bytes, sequence }
      resolve({ sequence: sequence - 1, next: at })
    }
  }

  /** Resolves with where the first of them starts. */
  private async store(drafts: readonly EncodedRecord[]): Promise<Position> {
    const bytes = encode(drafts, this.backlog.next)
    const isNew = this.current === undefined || this.current.segment.closed
    if (isNew) await this.begin()
    const { segment, file } = this.current as NonNullable<typeof this.current>
    await file.write(segment.end, bytes)
    await file.sync()
    if (isNew) {
      // A segment whose name is lost takes its records with it.
      await this.disk.syncFolder(this.folder)
      this.stray = false
      this.backlog.add(segment)
    }
    const start = { segment: segment.first, offset: segment.end, sequence: this.backlog.next }
    this.backlog.grow(segment, drafts)
    return start
  }

  private async begin(): Promise<void> {
    await this.leave()
    const segment = createSegment(this.backlog.next, 0)
    this.stray = true
    const file = await createAnew(this.disk, this.pathOf(segment.first))
    this.current = { segment, file }
  }

  /**
   * Ends the segment in which a write or a sync has failed. What was acknowledged before stays in it.
   * What was not is cut off, if the disk lets us; if it does not, the name of the next segment says where
   * this one ends.
   */
  private async abandon(): Promise<void> {
    const failed = this.current
    this.current = undefined
    if (!failed) return
    failed.segment.closed = true
    await cutOff(failed.file, failed.segment.end).catch(() => {})
    await failed.file.close().catch(() => {})
  }

  private async removeStray(): Promise<void> {
    try {
      await this.disk.remove(this.pathOf(this.backlog.next))
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error
    }
    this.stray = false
  }

  private async leave(): Promise<void> {
    const file = this.current?.file
    this.current = undefined
    // Everything in it has been synced.
    await file?.close().catch(() => {})
  }

  private pathOf(first: number): string {
    return `${this.folder}/${nameOf(first)}`
  }
}

async function cutOff(file: DiskFile, end: number): Promise<void> {
  await file.truncate(end)
  await file.sync()
}

function sum(drafts: readonly EncodedRecord[]): number {
  return drafts.reduce((bytes, one) => bytes + one.bytes, 0)
}
