/** The segments of a log, and the position up to which they were delivered. In memory only. */

import { inBlocks } from '../disk/blocks.ts'
import { createUsage, type LogUsage } from './usage.ts'

const SUFFIX = '.segment'
const DIGITS = 16

/** A segment file. */
export interface Segment {
  /** The sequence number of its first record, and its name. */
  readonly first: number
  /** Bytes of acknowledged records. The file may be longer. */
  end: number
  /** Whether it takes no more records. */
  closed: boolean
  /** Damage that has been reported: by the offset at which it starts, the position after it. */
  readonly skippedDamage: Map<number, Position>
  /** Whether it holds damaged bytes that could not be copied. */
  mustKeepFile: boolean
}

/** A position between two records. */
export interface Position {
  /** The segment, by the sequence number of its first record. */
  readonly segment: number
  readonly offset: number
  /** The sequence number of the next record. */
  readonly sequence: number
}

/** The end of a record. */
export interface RecordEnd {
  /** The record's own sequence number. Records are numbered from 1 in the order of `append`. */
  readonly sequence: number
  /** Where the next record starts. */
  readonly next: Position
}

export function createSegment(first: number, end: number): Segment {
  return { first, end, closed: false, skippedDamage: new Map(), mustKeepFile: false }
}

/** The position before a segment's first record. */
export function startOf({ first }: Pick<Segment, 'first'>): Position {
  return { segment: first, offset: 0, sequence: first }
}

/** The file name of a segment. Names sort in the order of segments. */
export function nameOf(first: number): string {
  return String(first).padStart(DIGITS, '0') + SUFFIX
}

/** The sequence number in the file name of a segment; undefined for any other name. */
export function firstOf(name: string): number | undefined {
  const first = Number(name.slice(0, DIGITS))
  return Number.isSafeInteger(first) && first > 0 && name === nameOf(first) ? first : undefined
}

export class SegmentIndex {
  /** Segments that are not fully delivered, oldest first. */
  readonly segments: Segment[] = []
  /** Segments that are fully delivered and whose files are still to be removed. */
  private readonly delivered: Segment[] = []
  /** The sequence number of the next record. */
  next: number
  private position: Position
  private total = 0
  private readonly usage: LogUsage
  /** How many undelivered bytes of this log the usage counts. */
  private counted = 0

  /** @param usage kept up to date */
  constructor(head: Position, next: number, usage = createUsage()) {
    this.position = head
    this.next = next
    this.usage = usage
  }

  /** Where the undelivered records start. */
  get head(): Position {
    const [oldest] = this.segments
    if (!oldest || oldest.first <= this.position.segment) return this.position
    // The segment of the position has been drained. Records may be missing before the next one.
    return { segment: oldest.first, offset: 0, sequence: this.position.sequence }
  }

  /** The end of the newest record. */
  get tail(): RecordEnd {
    const newest = this.segments.at(-1)
    const at = newest ? { segment: newest.first, offset: newest.end } : this.head
    return { sequence: this.next - 1, next: { ...at, sequence: this.next } }
  }

  /** Bytes on disk between head and tail. */
  get bytes(): number {
    return this.segments.length === 0 ? 0 : this.total - this.head.offset
  }

  get isEmpty(): boolean {
    return this.bytes === 0
  }

  segment(first: number): Segment | undefined {
    return this.segments.find((segment) => segment.first === first)
  }

  after(segment: Segment): Segment | undefined {
    return this.segments[this.segments.indexOf(segment) + 1]
  }

  /** The sequence number past a segment's last record: that of the first record after it. */
  limitOf(segment: Segment): number {
    return this.after(segment)?.first ?? this.next
  }

  add(segment: Segment): void {
    this.segments.push(segment)
    this.total += segment.end
    this.usage.allocated += inBlocks(segment.end)
    this.count()
  }

  /** Adds a segment whose records are all delivered. */
  addDrained(segment: Segment): void {
    this.delivered.push(segment)
    this.usage.allocated += inBlocks(segment.end)
  }

  /** The oldest drained segment whose file is still to be removed. */
  get drained(): Segment | undefined {
    return this.delivered[0]
  }

  /** The file of `drained` is removed. */
  removed(): void {
    const segment = this.delivered.shift()
    if (segment) this.usage.allocated -= inBlocks(segment.end)
  }

  /** Adds synced records to the end of the newest segment. */
  grow(segment: Segment, records: readonly { bytes: number }[]): void {
    this.usage.allocated -= inBlocks(segment.end)
    for (const { bytes } of records) {
      segment.end += bytes
      this.total += bytes
    }
    this.usage.allocated += inBlocks(segment.end)
    this.next += records.length
    this.count()
  }

  /** Moves the head forward. Segments before it are drained. */
  moveTo(position: Position): void {
    this.position = position
    for (let [oldest] = this.segments; oldest && this.isDrained(oldest); [oldest] = this.segments) {
      this.segments.shift()
      this.delivered.push(oldest)
      this.total -= oldest.end
    }
    this.count()
  }

  private count(): void {
    this.usage.undelivered += this.bytes - this.counted
    this.counted = this.bytes
  }

  private isDrained(one: Segment): boolean {
    const { segment, offset, sequence } = this.position
    if (one.first !== segment) return one.first < segment
    // Records missing at the end of the segment are reported before it is drained.
    return one.closed && offset >= one.end && sequence >= this.limitOf(one)
  }
}
