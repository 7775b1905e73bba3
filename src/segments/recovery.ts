/** Finds out, at start, what is in a log's folder, without reading all of it. */

import { codeOf, LOCK_FILE } from '../disk/disk.ts'
import { BufferPool } from '../limits/buffer-pool.ts'
import type { Disk, DiskEntry, DiskFile } from '../runtime.ts'
import {
  DAMAGED,
  type Damage,
  type DamageListener,
  type DamageReason,
  isUnreadable,
  type Stretch,
  setAside,
} from './damage.ts'
import { HEAD, HeadFile } from './head-file.ts'
import { RecordScanner } from './record-scanner.ts'
import {
  createSegment,
  firstOf,
  nameOf,
  type Position,
  type Segment,
  SegmentIndex,
} from './segment-index.ts'

export interface RecoveredLog {
  readonly backlog: SegmentIndex
  readonly head: HeadFile
  /** Whether there is a file with the name of the next segment; it holds no record. */
  readonly stray: boolean
}

export interface LogFolderOptions extends DamageListener {
  /**
   * Whether nobody will ever ask for the records, so that all there is to do is to enter them somewhere:
   * segments are not removed but moved to `damaged/`, and one of which the disk can read nothing stays for
   * another time. @default false
   */
  readonly isOrphan?: boolean
}

/**
 * Opens a log's folder, makes it if there is none, and syncs what a process that was killed may have
 * left unsynced: from here on, what was found is there to stay.
 *
 * @throws an error of the disk, or of the listener
 */
export async function recover(
  disk: Disk,
  path: string,
  options: LogFolderOptions,
): Promise<RecoveredLog> {
  await disk.makeFolder(path)
  const head = new HeadFile(disk, path)
  try {
    return await new Recovery(disk, path, options, head).read()
  } catch (error) {
    await head.close().catch(() => {})
    throw error
  }
}

class Recovery {
  private readonly disk: Disk
  private readonly path: string
  private readonly options: LogFolderOptions
  private readonly head: HeadFile

  constructor(disk: Disk, path: string, options: LogFolderOptions, head: HeadFile) {
    this.disk = disk
    this.path = path
    this.options = options
    this.head = head
  }

  async read(): Promise<RecoveredLog> {
    const segments = this.segmentsAmong(await this.disk.list(this.path))
    const position = await this.readHead(segments[0])
    const left = segments.filter(({ first }) => first >= position.segment)
    const [head] = left
    // What was delivered may be missing: nobody needs it any more.
    if (head?.first === position.segment) head.end = Math.max(head.end, position.offset)
    const backlog = new SegmentIndex(startAt(head, position), position.sequence)
    backlog.drained.push(...segments.filter(({ first }) => first < position.segment))
    const last = left.pop()
    for (const segment of left) backlog.add(segment)
    const stray = last !== undefined && !(await this.addLast(backlog, last))
    await this.disk.syncFolder(this.path)
    return { backlog, head: this.head, stray }
  }

  /** The segments in order of their names. */
  private segmentsAmong(entries: readonly DiskEntry[]): Segment[] {
    const segments: Segment[] = []
    for (const { name, bytes, isFolder } of entries) {
      const first = firstOf(name)
      if (first !== undefined && !isFolder) {
        segments.push({ ...createSegment(first, bytes), closed: true })
      } else if (![HEAD, DAMAGED, LOCK_FILE].includes(name)) {
        this.report(name, 'foreign', { bytes })
      }
    }
    return segments.sort((a, b) => a.first - b.first)
  }

  /** Where the head file says that the undelivered records start; without it, at the first there is. */
  private async readHead(first: Segment | undefined): Promise<Position> {
    let found: Position | undefined
    try {
      found = await this.head.read()
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error
      // Without segments nothing depends on it: a crash has come between its birth and its first sync.
      if (first) this.report(HEAD, 'head', {})
    }
    if (found) return found
    const sequence = first?.first ?? 1
    const start = { segment: sequence, offset: 0, sequence }
    // Takes its space now, if there is any: when the disk has filled up it is too late.
    await this.head.write(start, true).catch(() => {})
    return start
  }

  /**
   * Adds the last segment, up to its last intact record: only there can a write have been interrupted.
   * False if the next segment will have its name, because it holds no record.
   */
  private async addLast(backlog: SegmentIndex, last: Segment): Promise<boolean> {
    const start = backlog.head.segment === last.first ? backlog.head : startOf(last)
    const end = await this.repair(last, start)
    if (!end) {
      await this.giveUp(backlog, last, start)
      return true
    }
    const lost = last.first - backlog.next
    backlog.next = Math.max(last.first, end.sequence)
    if (last.first !== backlog.next) {
      backlog.add(last)
      return true
    }
    if (lost > 0 && backlog.isEmpty) {
      await this.options.onLoss?.(lost)
      this.report(nameOf(last.first), 'missing', { records: lost })
      backlog.moveTo(startOf(last))
    }
    return false
  }

  /** Cuts off what is behind the last intact record. Undefined if the segment cannot be read. */
  private async repair(segment: Segment, start: Position): Promise<Position | undefined> {
    const path = `${this.path}/${nameOf(segment.first)}`
    const file = await this.disk.open(path)
    try {
      const measure = () => endOf(file, start, segment.end)
      const found = await measure()
        .catch(measure)
        .catch((error) => {
          if (!isUnreadable(error) || this.options.isOrphan) throw error
        })
      if (!found) return undefined
      const { end, reason } = found
      if (reason) await this.cutTail(segment, end.offset, file, reason)
      // Records that a killed process did not sync have numbers too, which the next segment relies on.
      await file.sync()
      segment.end = end.offset
      return end
    } finally {
      await file.close()
    }
  }

  /** Gets past a last segment that cannot be read: it must not keep the relay from starting. */
  private async giveUp(backlog: SegmentIndex, last: Segment, start: Position): Promise<void> {
    await this.options.onLoss?.(undefined)
    backlog.next = Math.max(backlog.next, last.first)
    if (backlog.isEmpty) {
      backlog.moveTo(startOf({ first: backlog.next }))
      await this.head.write(backlog.head, true)
    }
    await removeSegment(this.disk, this.path, { ...last, mustKeepFile: true })
    const details = { offset: start.offset, bytes: last.end - start.offset, records: undefined }
    this.report(nameOf(last.first), 'unreadable', details)
  }

  private async cutTail(
    segment: Segment,
    from: number,
    file: DiskFile,
    fault: DamageReason,
  ): Promise<void> {
    const stretch = { from, to: segment.end }
    const name = nameOf(segment.first)
    const isTorn = fault === 'torn' || (await hasHoles(file, stretch))
    if (!isTorn) await this.options.onLoss?.(undefined)
    let copy: string | undefined
    try {
      copy = await setAside(this.disk, this.path, name, file, stretch)
      await file.truncate(from)
    } catch {
      segment.mustKeepFile = copy === undefined
    }
    const bytes = stretch.to - from
    const [reason, records] = isTorn ? (['torn', 0] as const) : [fault, undefined]
    this.report(name, reason, { offset: from, bytes, records, copy })
  }

  private report(name: string, reason: DamageReason, details: Partial<Damage>): void {
    const file = `${this.path}/${name}`
    const nothing = { offset: 0, bytes: 0, records: 0, copy: undefined }
    this.options.onDamage({ ...nothing, ...details, file, reason })
  }
}

/** Removes a segment that was delivered; moves it to `damaged/` if bytes in it could not be copied. */
export async function removeSegment(disk: Disk, folder: string, segment: Segment): Promise<void> {
  const name = nameOf(segment.first)
  const damaged = `${folder}/${DAMAGED}`
  try {
    if (!segment.mustKeepFile) return await disk.remove(`${folder}/${name}`)
    await disk.makeFolder(damaged)
    await disk.rename(`${folder}/${name}`, `${damaged}/${name}`)
    await disk.syncFolder(damaged)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
  }
}

/** The first record that may be undelivered: the segment of the position may have been removed. */
function startAt(first: Segment | undefined, position: Position): Position {
  if (!first || first.first === position.segment) return position
  return { ...startOf(first), sequence: Math.min(position.sequence, first.first) }
}

function startOf({ first }: Pick<Segment, 'first'>): Position {
  return { segment: first, offset: 0, sequence: first }
}

/** Where the last intact record of a segment ends, at `from` or behind it, and what is wrong behind it. */
async function endOf(
  file: DiskFile,
  from: Position,
  size: number,
): Promise<{ end: Position; reason: DamageReason | undefined }> {
  const finder = new RecordScanner(file, new BufferPool())
  let { offset, sequence } = from
  for (;;) {
    const [limit, room] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
    const extent = { end: size, sequence, limit, room }
    const { start, header, reason } = await finder.find(offset, extent)
    if (!header) return { end: { ...from, offset, sequence }, reason }
    offset = start + header.bytes
    sequence = header.sequence + 1
  }
}

/**
 * Whether bytes at the end of a segment were never all written: a power cut leaves zeros where they
 * should be. No record begins with one, and none, being text, ends with several.
 */
async function hasHoles(file: DiskFile, { from, to }: Stretch): Promise<boolean> {
  const [first] = await file.read(from, 1)
  const end = await file.read(Math.max(from, to - 4), 4)
  return first === 0 || end.every((byte) => byte === 0)
}
