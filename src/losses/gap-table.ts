/** The entries of the gap ledger, in memory and bounded. */

import {
  type Gap,
  type GapEntry,
  inOrder,
  insert,
  type Repair,
  remainsOf,
  withWholeRange,
} from './gap.ts'
import { type Databases, type Shortage, ShortageIndex } from './shortage.ts'

export interface GapLimits {
  /** Ranges for one backend, database, retention policy and reason. */
  readonly maxRanges: number
  /** Entries altogether. */
  readonly maxEntries: number
}

/** The reason of an entry that stands for several databases. Their names are empty. */
export const LEDGER_FULL = 'ledger full'

/**
 * Entries may widen and merge, but everything added stays covered by a range and counted, until a repair
 * closes it.
 *
 * Past `maxRanges` the two ranges of a destination that are nearest to each other merge. Once there are
 * `maxEntries`, a destination that has entries gets no more: its nearest ranges merge instead. A gap of a
 * destination without entries goes to an entry of its backend with an empty database and the reason
 * `LEDGER_FULL`. A backend has at most two of these, with and without a range.
 */
export class GapTable {
  private readonly limits: GapLimits
  /** By destination, reason, and whether they have a range: ranges in order, none near another. */
  private readonly rows = new Map<string, readonly GapEntry[]>()
  /** Entries, without those of a full ledger. */
  private count = 0
  /** Undefined after a change. */
  private shortages: ShortageIndex | undefined

  constructor(limits: GapLimits) {
    this.limits = limits
  }

  add(gap: Gap): void {
    const { at, ...rest } = gap
    this.addEntry({ ...rest, since: at, until: at, times: 1 })
  }

  addEntry(given: GapEntry): void {
    this.shortages = undefined
    const entry = withWholeRange(given)
    const { maxRanges, maxEntries } = this.limits
    const before = this.rows.get(keyOf(entry))
    if (entry.reason === LEDGER_FULL || (!before && this.count >= maxEntries)) {
      const several = { ...entry, database: '', retentionPolicy: '', reason: LEDGER_FULL }
      const key = keyOf(several)
      this.rows.set(key, insert(this.rows.get(key) ?? [], several, 1))
      return
    }
    const { length = 0 } = before ?? []
    const room = Math.max(maxEntries - this.count, 0)
    const after = insert(before ?? [], entry, Math.min(maxRanges, length + room))
    this.rows.set(keyOf(entry), after)
    this.count += after.length - length
  }

  /**
   * Removes what a repair has brought: entries in its range, and of wider ones the part in its range. An
   * entry that stands for a gap since the repair began stays.
   *
   * @returns whether anything has changed
   * @throws RangeError if the range of the repair runs backward
   */
  close(repair: Repair): boolean {
    if (repair.first > repair.last) throw new RangeError('the range of a repair runs backward')
    this.shortages = undefined
    const { maxRanges, maxEntries } = this.limits
    let hasChanged = false
    for (const [key, before] of this.rows) {
      const [{ reason }] = before as [GapEntry]
      const isFull = reason === LEDGER_FULL
      // Only one of the ranges can have the repair in its middle.
      const canSplit = !isFull && before.length < maxRanges && this.count < maxEntries
      const after = before.flatMap((entry) => remainsOf(entry, repair, canSplit))
      hasChanged ||= after.length !== before.length || after.some((one, i) => one !== before[i])
      if (after.length > 0) this.rows.set(key, after)
      else this.rows.delete(key)
      if (!isFull) this.count += after.length - before.length
    }
    return hasChanged
  }

  /** What a backend lacks in some databases, or in any; undefined if it lacks nothing. */
  shortage(backend: string, databases: Databases): Shortage | undefined {
    this.shortages ??= new ShortageIndex([...this.rows.values()].flat())
    return this.shortages.find(backend, databases)
  }

  /** By backend, database, retention policy and time; an unknown time comes first. */
  entries(): readonly GapEntry[] {
    return [...this.rows.values()].flat().sort(inOrder)
  }
}

function keyOf({ backend, database, retentionPolicy, reason, first }: GapEntry): string {
  return JSON.stringify([backend, database, retentionPolicy, reason, first !== undefined])
}
