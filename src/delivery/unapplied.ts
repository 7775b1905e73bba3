/** Which writes that the relay owns a lane has only in memory, so that a reader can wait for those of now. */

/** Writes that the relay came to own between two marks. */
export interface WriteGroup {
  readonly number: number
  /** The writes of it that are still only in memory. */
  writes: number
  bytes: number
  /** When the oldest write of it was accepted, by the clock. */
  since: number
}

/**
 * A reader that waited for a lane to be empty would wait for ever: under load there is always a next write.
 * So a mark ends the group of writes that are counted now, and later writes are counted in another one.
 */
export class UnappliedWrites {
  private current: WriteGroup = createGroup(0)
  /** Groups before the current one that still have writes, oldest first. */
  private readonly ended: WriteGroup[] = []

  /** Counts a write, until `remove`. */
  add(bytes: number, acceptedAt: number): WriteGroup {
    const group = this.current
    group.writes++
    group.bytes += bytes
    group.since = Math.min(group.since, acceptedAt)
    return group
  }

  remove(group: WriteGroup, bytes: number): void {
    group.writes--
    group.bytes -= bytes
    if (group.writes > 0) return
    if (group === this.current) this.current = createGroup(group.number)
    else this.ended.splice(this.ended.indexOf(group), 1)
  }

  /** The number of the newest group, once it takes no more writes; -1 if there are no writes. */
  mark(): number {
    if (this.current.writes > 0) {
      this.ended.push(this.current)
      this.current = createGroup(this.current.number + 1)
    }
    return this.ended.at(-1)?.number ?? -1
  }

  /** Whether no write of the groups up to a mark is left. */
  hasPassed(mark: number): boolean {
    const [oldest] = this.ended
    return oldest === undefined || oldest.number > mark
  }

  get bytes(): number {
    return this.ended.reduce((sum, { bytes }) => sum + bytes, this.current.bytes)
  }

  /** When the oldest write was accepted, by the clock; infinite if there is none. */
  get since(): number {
    return this.ended.reduce((min, { since }) => Math.min(min, since), this.current.since)
  }
}

function createGroup(number: number): WriteGroup {
  return { number, writes: 0, bytes: 0, since: Number.POSITIVE_INFINITY }
}
