/** Which segments a log has and how far they have been delivered: the picture in memory, no disk. */

const SUFFIX = '.segment'
const DIGITS = 16

/** A segment file. */
export interface Segment {
  /** The number of its first record, and its name. */
  readonly first: number
  /** Its bytes that may be read: those of records that were acknowledged. */
  end: number
  /** Whether nothing will be appended to it any more. */
  closed: boolean
  /** Where damaged stretches start that have been dealt with, and where reading goes on behind each. */
  readonly passed: Map<number, Position>
  /** Whether it holds damaged bytes of which there is no copy. */
  mustKeepFile: boolean
}

/** A place between two records. */
export interface Position {
  /** The segment, by its first record's number. */
  readonly segment: number
  readonly offset: number
  /** The number of the record that follows. */
  readonly sequence: number
}

/** The end of a record. */
export interface RecordEnd {
  /** The record's number: records are numbered in the order in which they were appended. */
  readonly sequence: number
  /** Where the next record starts. */
  readonly next: Position
}

export function createSegment(first: number, end: number): Segment {
  return { first, end, closed: false, passed: new Map(), mustKeepFile: false }
}

/** A segment's file name: digits, so that names sort as the segments do. */
export function nameOf(first: number): string {
  return String(first).padStart(DIGITS, '0') + SUFFIX
}

/** The number in a segment's name, or undefined if it is not a segment's. */
export function firstOf(name: string): number | undefined {
  const first = Number(name.slice(0, DIGITS))
  return Number.isSafeInteger(first) && first > 0 && name === nameOf(first) ? first : undefined
}

export class SegmentIndex {
  /** Oldest first; everything before the head has been delivered. */
  readonly segments: Segment[] = []
  /** Segments that have been delivered whole, and are still to be removed. */
  readonly drained: Segment[] = []
  /** The number that the next record gets. */
  next: number
  /** When the record at the head was accepted, as far as that is known. */
  oldestAt: number | undefined
  private position: Position
  private total = 0

  constructor(head: Position, next: number) {
    this.position = head
    this.next = next
  }

  /** Where the undelivered records start. */
  get head(): Position {
    const [first] = this.segments
    if (!first || first.first <= this.position.segment) return this.position
    // The segment that it was in has been drained.
    return { segment: first.first, offset: 0, sequence: this.position.sequence }
  }

  /** Bytes on disk that are still to be delivered. */
  get bytes(): number {
    return this.segments.length === 0 ? 0 : this.total - this.head.offset
  }

  get isEmpty(): boolean {
    return this.bytes === 0
  }

  /** The end of the last record. */
  get tail(): RecordEnd {
    const last = this.segments.at(-1)
    const at = last ? { segment: last.first, offset: last.end } : this.head
    return { sequence: this.next - 1, next: { ...at, sequence: this.next } }
  }

  segment(first: number): Segment | undefined {
    return this.segments.find((segment) => segment.first === first)
  }

  /** The segment behind another. */
  after(segment: Segment): Segment | undefined {
    return this.segments[this.segments.indexOf(segment) + 1]
  }

  /** The number at which a segment's records end: that of the next segment's first. */
  limitOf(segment: Segment): number {
    return this.after(segment)?.first ?? this.next
  }

  add(segment: Segment): void {
    this.segments.push(segment)
    this.total += segment.end
  }

  /** Takes note of records that were synced, at the end of a segment. */
  grow(segment: Segment, records: readonly { bytes: number; acceptedAt: number }[]): void {
    if (this.isEmpty) this.oldestAt = records[0]?.acceptedAt
    for (const { bytes } of records) {
      segment.end += bytes
      this.total += bytes
    }
    this.next += records.length
  }

  /** Everything before `position` has been delivered. */
  moveTo(position: Position): void {
    this.position = position
    for (let first = this.segments[0]; first && this.isDone(first); first = this.segments[0]) {
      this.segments.shift()
      this.drained.push(first)
      this.total -= first.end
    }
  }

  /** Records that are missing at the end of a segment are still to be met there. */
  private isDone(one: Segment): boolean {
    const { segment, offset, sequence } = this.position
    if (one.first !== segment) return one.first < segment
    return one.closed && offset >= one.end && sequence >= this.limitOf(one)
  }
}
