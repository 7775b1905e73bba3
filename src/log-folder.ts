/** Finds out, at start, what is in a log's folder, without reading all of it. */

import { Backlog, createSegment, firstOf, nameOf, type Position, type Segment } from './backlog.ts'
import { DAMAGED, type Damage, type DamageReason, type OnDamage, setAside } from './damage.ts'
import { codeOf, type Disk, type DiskEntry, type DiskFile, LOCK_FILE } from './disk.ts'
import { HEAD, HeadFile } from './head-file.ts'
import { RecordFinder } from './record-finder.ts'

export interface LogFolder {
  readonly backlog: Backlog
  readonly head: HeadFile
  /** Whether there is a file with the name of the next segment; it holds no record. */
  readonly stray: boolean
}

/**
 * Opens a log's folder, makes it if there is none, and syncs what a process that was killed may have
 * left unsynced: from here on, what was found is there to stay.
 *
 * @throws an error of the disk
 */
export async function openLogFolder(
  disk: Disk,
  path: string,
  onDamage: OnDamage,
): Promise<LogFolder> {
  await disk.makeFolder(path)
  const head = new HeadFile(disk, path)
  try {
    return await new FolderReader(disk, path, onDamage, head).read()
  } catch (error) {
    await head.close().catch(() => {})
    throw error
  }
}

class FolderReader {
  private readonly disk: Disk
  private readonly path: string
  private readonly onDamage: OnDamage
  private readonly head: HeadFile

  constructor(disk: Disk, path: string, onDamage: OnDamage, head: HeadFile) {
    this.disk = disk
    this.path = path
    this.onDamage = onDamage
    this.head = head
  }

  async read(): Promise<LogFolder> {
    const segments = this.segmentsAmong(await this.disk.list(this.path))
    const position = await this.readHead(segments[0])
    const left = segments.filter(({ first }) => first >= position.segment)
    const [head] = left
    // What was delivered may be missing: nobody needs it any more.
    if (head?.first === position.segment) head.end = Math.max(head.end, position.offset)
    const backlog = new Backlog(startAt(head, position), position.sequence)
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
  private async addLast(backlog: Backlog, last: Segment): Promise<boolean> {
    const start = backlog.head.segment === last.first ? backlog.head : startOf(last)
    const file = await this.disk.open(`${this.path}/${nameOf(last.first)}`)
    try {
      const end = await endOf(file, start, last.end)
      if (end.offset < last.end) await this.cutTail(last, end.offset, file)
      // Records that a killed process did not sync have numbers too, which the next segment relies on.
      await file.sync()
      last.end = end.offset
      const lost = last.first - backlog.next
      backlog.next = Math.max(last.first, end.sequence)
      if (last.first !== backlog.next) {
        backlog.add(last)
        return true
      }
      if (lost > 0 && backlog.isEmpty) {
        this.report(nameOf(last.first), 'missing', { records: lost })
        backlog.moveTo(startOf(last))
      }
      return false
    } finally {
      await file.close()
    }
  }

  private async cutTail(segment: Segment, from: number, file: DiskFile): Promise<void> {
    const stretch = { from, to: segment.end }
    const name = nameOf(segment.first)
    let copy: string | undefined
    try {
      copy = await setAside(this.disk, this.path, name, file, stretch)
      await file.truncate(from)
    } catch {
      segment.spoilt = copy === undefined
    }
    const bytes = stretch.to - from
    this.report(name, 'torn', { offset: from, bytes, records: undefined, copy })
  }

  private report(name: string, reason: DamageReason, details: Partial<Damage>): void {
    const file = `${this.path}/${name}`
    const nothing = { offset: 0, bytes: 0, records: 0, copy: undefined }
    this.onDamage({ ...nothing, ...details, file, reason })
  }
}

/** Removes a segment that was delivered; moves it to `damaged/` if bytes in it could not be copied. */
export async function removeSegment(disk: Disk, folder: string, segment: Segment): Promise<void> {
  const name = nameOf(segment.first)
  const damaged = `${folder}/${DAMAGED}`
  try {
    if (!segment.spoilt) return await disk.remove(`${folder}/${name}`)
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

function startOf({ first }: Segment): Position {
  return { segment: first, offset: 0, sequence: first }
}

/** Where the last intact record of a segment ends, at `from` or behind it. */
async function endOf(file: DiskFile, from: Position, size: number): Promise<Position> {
  const finder = new RecordFinder(file)
  let { offset, sequence } = from
  for (;;) {
    const extent = { end: size, sequence, limit: Number.POSITIVE_INFINITY }
    const { start, header } = await finder.find(offset, extent)
    if (!header) return { ...from, offset, sequence }
    offset = start + header.bytes
    sequence = header.sequence + 1
  }
}
