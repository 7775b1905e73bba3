/** Opens the folder of a log at start: rebuilds the index without reading all segments. */

import { codeOf, LOCK_FILE } from '../disk/disk.ts'
import type { Disk, DiskEntry } from '../runtime.ts'
import type { Damage, DamageListener, DamageReason } from './damage.ts'
import { DAMAGED_FOLDER, removeSegment } from './damaged-folder.ts'
import { HEAD, HeadFile } from './head-file.ts'
import {
  createSegment,
  firstOf,
  nameOf,
  type Position,
  type Segment,
  SegmentIndex,
  startOf,
} from './segment-index.ts'
import { repairTail } from './tail-repair.ts'
import type { LogUsage } from './usage.ts'

export interface RecoveredLog {
  readonly index: SegmentIndex
  readonly head: HeadFile
  /** Whether a file has the name of the next segment. It holds no record. */
  readonly hasStray: boolean
  /** The newest segment, if a killed process may have left it unsynced. */
  readonly unsynced: Segment | undefined
}

export interface RecoveryOptions extends DamageListener {
  /** Counts what the log takes on disk from now on. @default a usage of its own */
  readonly usage?: LogUsage
}

/**
 * Opens the folder of a log, or makes it.
 *
 * Syncs the head that a killed process may have left unsynced, so that no record comes back that is found
 * removed. The newest segment needs a sync only before another one is created: a start may open thousands of
 * logs.
 *
 * @throws an error of the disk or of the listener
 */
export async function recover(
  disk: Disk,
  folder: string,
  options: RecoveryOptions,
): Promise<RecoveredLog> {
  const entries = await listOrMake(disk, folder)
  const head = new HeadFile(disk, folder)
  try {
    return await new Recovery(disk, folder, options, head).run(entries)
  } catch (error) {
    await head.close().catch(() => {})
    throw error
  }
}

async function listOrMake(disk: Disk, folder: string): Promise<DiskEntry[]> {
  try {
    return await disk.list(folder)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
  }
  await disk.makeFolder(folder)
  return []
}

class Recovery {
  private readonly disk: Disk
  private readonly folder: string
  private readonly options: RecoveryOptions
  private readonly head: HeadFile

  constructor(disk: Disk, folder: string, options: RecoveryOptions, head: HeadFile) {
    this.disk = disk
    this.folder = folder
    this.options = options
    this.head = head
  }

  async run(entries: readonly DiskEntry[]): Promise<RecoveredLog> {
    const segments = this.segmentsAmong(entries)
    const position = await this.readHead(segments[0])
    const undelivered = segments.filter(({ first }) => first >= position.segment)
    const [oldest] = undelivered
    // If the segment is shorter than the head's offset, only delivered records are missing.
    if (oldest?.first === position.segment) oldest.end = Math.max(oldest.end, position.offset)
    const { usage } = this.options
    const index = new SegmentIndex(startAt(oldest, position), position.sequence, usage)
    for (const one of segments) if (one.first < position.segment) index.addDrained(one)
    const newest = undelivered.pop()
    for (const segment of undelivered) index.add(segment)
    const hasStray = newest !== undefined && !(await this.addNewest(index, newest))
    // A removed segment must not come back to a log that is found empty.
    if (index.segments.length === 0) await this.disk.syncFolder(this.folder)
    return { index, head: this.head, hasStray, unsynced: newest }
  }

  /** The segments in order. Other files are reported. */
  private segmentsAmong(entries: readonly DiskEntry[]): Segment[] {
    const segments: Segment[] = []
    for (const { name, bytes, isFolder } of entries) {
      const first = firstOf(name)
      if (first !== undefined && !isFolder) {
        segments.push({ ...createSegment(first, bytes), closed: true })
      } else if (![HEAD, DAMAGED_FOLDER, LOCK_FILE].includes(name)) {
        this.report(name, 'foreign', { bytes })
      }
    }
    return segments.sort((a, b) => a.first - b.first)
  }

  /** The position in the head file. Without one, the start of the first segment. */
  private async readHead(first: Segment | undefined): Promise<Position> {
    let found: Position | undefined
    try {
      found = await this.head.read()
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error
      // Without segments nothing is lost: a crash came before the first sync of the file.
      if (first) this.report(HEAD, 'head', {})
    }
    // Records seem to be missing before the first segment. If the head is damaged, its latest position was
    // past them: they were delivered.
    const isStale = found && first && this.head.isDamaged && found.sequence < first.first
    if (found && !isStale) return found
    if (isStale) this.report(HEAD, 'head', {})
    const start = startOf(first ?? { first: 1 })
    // Takes the space of the file now: the disk may be full later.
    await this.head.write(start, true).catch(() => {})
    return start
  }

  /**
   * Adds the newest segment up to its last intact record: only there can a write have been interrupted.
   * Returns false if it holds no record, so that the next segment gets its name.
   */
  private async addNewest(index: SegmentIndex, newest: Segment): Promise<boolean> {
    const start = index.head.segment === newest.first ? index.head : startOf(newest)
    const end = await repairTail(this.disk, this.folder, newest, start, this.options)
    if (!end) {
      await this.skipUnreadable(index, newest, start)
      return true
    }
    const missing = newest.first - index.next
    index.next = Math.max(newest.first, end.sequence)
    if (newest.first !== index.next) {
      index.add(newest)
      return true
    }
    // If older segments are left, the reader reports the records that are missing after them.
    if (missing > 0 && index.isEmpty) {
      await this.options.onLoss?.(missing)
      this.report(nameOf(newest.first), 'missing', { records: missing })
      index.moveTo(startOf(newest))
    }
    return false
  }

  /** Moves a newest segment that cannot be read to `damaged/`: it must not keep the relay from starting. */
  private async skipUnreadable(
    index: SegmentIndex,
    newest: Segment,
    start: Position,
  ): Promise<void> {
    await this.options.onLoss?.(undefined)
    index.next = Math.max(index.next, newest.first)
    if (index.isEmpty) {
      index.moveTo(startOf({ first: index.next }))
      await this.head.write(index.head, true)
    }
    await removeSegment(this.disk, this.folder, { ...newest, mustKeepFile: true })
    const range = { offset: start.offset, bytes: newest.end - start.offset }
    this.report(nameOf(newest.first), 'unreadable', { ...range, records: undefined })
  }

  private report(name: string, reason: DamageReason, details: Partial<Damage>): void {
    const file = `${this.folder}/${name}`
    const nothing = { offset: 0, bytes: 0, records: 0, copy: undefined }
    this.options.onDamage({ ...nothing, ...details, file, reason })
  }
}

/** The first record that may be undelivered. The segment of the position may have been removed. */
function startAt(oldest: Segment | undefined, position: Position): Position {
  if (!oldest || oldest.first === position.segment) return position
  return { ...startOf(oldest), sequence: Math.min(position.sequence, oldest.first) }
}
