/**
 * Gaps: what a backend lacks although it was acknowledged, and how entries of the ledger that belong
 * together become one.
 */

/** Points that a backend will not get. */
export interface Gap {
  readonly backend: string
  readonly database: string
  /** Empty for the database's default. */
  readonly retentionPolicy: string
  /** The first and the last timestamp of the points, ns since the Unix epoch; undefined if unknown. */
  readonly first: bigint | undefined
  readonly last: bigint | undefined
  /** As far as they could be counted. */
  readonly points: number
  /** Writes that are lost besides, at least: damage to their records leaves nobody to count their points. */
  readonly writes: number
  /** One of a few fixed texts: each has its own entries. */
  readonly reason: string
  /** When it happened, ms since the Unix epoch. */
  readonly at: number
}

/** Gaps of one backend, database, retention policy and reason that are close to each other in time. */
export interface GapEntry extends Omit<Gap, 'at'> {
  /** When the first and the latest of them happened, ms since the Unix epoch. */
  readonly since: number
  readonly until: number
  /** How many they are. */
  readonly times: number
}

export interface GapLimits {
  /** Time ranges that are told apart for one backend, database, retention policy and reason. */
  readonly maxRanges: number
  /** Entries altogether. */
  readonly maxEntries: number
}

/** Ranges at most this far apart are one. */
const NEAR_NS = 60_000_000_000n

/** The reason given in an entry that stands for several destinations; its names are empty. */
export const LEDGER_FULL = 'ledger full'

/**
 * The entries of a ledger. They may widen and merge, but what is in one of them stays in: time ranges
 * remain covered, points and writes remain counted.
 *
 * Past `maxRanges` the two ranges of a destination that are nearest to each other merge. Once there are
 * `maxEntries`, a destination that has entries gets no more: its nearest ranges merge instead. One
 * that has none is entered under its backend alone, in an entry whose database is empty and whose
 * reason is `LEDGER_FULL`; of these there are at most two a backend, with a range and without.
 */
export class GapTable {
  private readonly limits: GapLimits
  /** By destination, reason, and whether they have a time range: ranges in order, none near another. */
  private readonly rows = new Map<string, GapEntry[]>()
  /** Entries, but for those of a full ledger. */
  private count = 0

  constructor(limits: GapLimits) {
    this.limits = limits
  }

  add(gap: Gap): void {
    const { at, ...rest } = gap
    this.addEntry({ ...rest, since: at, until: at, times: 1 })
  }

  addEntry(given: GapEntry): void {
    const entry = withWholeRange(given)
    if (entry.reason === LEDGER_FULL || this.hasNoRoomFor(entry)) {
      const several = { ...entry, database: '', retentionPolicy: '', reason: LEDGER_FULL }
      this.insert(several, 1)
      return
    }
    const left = Math.max(this.limits.maxEntries - this.count, 0)
    const rows = this.rows.get(keyOf(entry))?.length ?? 0
    this.count += this.insert(entry, Math.min(this.limits.maxRanges, rows + left))
  }

  private hasNoRoomFor(entry: GapEntry): boolean {
    return this.count >= this.limits.maxEntries && !this.rows.has(keyOf(entry))
  }

  /** Returns by how many the rows with the entry's key became more. */
  private insert(entry: GapEntry, max: number): number {
    const key = keyOf(entry)
    const before = this.rows.get(key) ?? []
    const after = insert(before, entry, max)
    this.rows.set(key, after)
    return after.length - before.length
  }

  /** By backend, database, retention policy and time; an unknown time comes first. */
  entries(): readonly GapEntry[] {
    return [...this.rows.values()].flat().sort(inOrder)
  }
}

/** A range with one end counts as unknown; one that runs backward is turned round. */
function withWholeRange(entry: GapEntry): GapEntry {
  const { first, last } = entry
  if (first === undefined || last === undefined) {
    return { ...entry, first: undefined, last: undefined }
  }
  return first <= last ? entry : { ...entry, first: last, last: first }
}

function keyOf({ backend, database, retentionPolicy, reason, first }: GapEntry): string {
  return JSON.stringify([backend, database, retentionPolicy, reason, first !== undefined])
}

/** `rows` with one more entry in it: at most `max` of them, at least one. */
function insert(rows: readonly GapEntry[], entry: GapEntry, max: number): GapEntry[] {
  let merged = entry
  const before: GapEntry[] = []
  const after: GapEntry[] = []
  for (const row of rows) {
    if (distance(row, entry) <= NEAR_NS) merged = merge(row, merged)
    else if (start(row) < start(entry)) before.push(row)
    else after.push(row)
  }
  const inserted = [...before, merged, ...after]
  while (inserted.length > Math.max(max, 1)) mergeNearest(inserted)
  return inserted
}

/** Merges the two neighbours with the least time between them. */
function mergeNearest(rows: GapEntry[]): void {
  let nearest = 0
  let least: bigint | undefined
  for (let i = 0; i + 1 < rows.length; i++) {
    const between = distance(rows[i] as GapEntry, rows[i + 1] as GapEntry)
    if (least !== undefined && between >= least) continue
    nearest = i
    least = between
  }
  const [a, b] = rows.slice(nearest, nearest + 2) as [GapEntry, GapEntry]
  rows.splice(nearest, 2, merge(a, b))
}

/** The time between two ranges, 0 or less if they overlap or are unknown. */
function distance(a: GapEntry, b: GapEntry): bigint {
  return start(a) <= start(b) ? start(b) - end(a) : start(a) - end(b)
}

function merge(a: GapEntry, b: GapEntry): GapEntry {
  const isUnknown = a.first === undefined
  return {
    ...a,
    first: isUnknown ? undefined : start(a) < start(b) ? start(a) : start(b),
    last: isUnknown ? undefined : end(a) > end(b) ? end(a) : end(b),
    points: a.points + b.points,
    writes: a.writes + b.writes,
    since: Math.min(a.since, b.since),
    until: Math.max(a.until, b.until),
    times: a.times + b.times,
  }
}

function start({ first = 0n }: GapEntry): bigint {
  return first
}

function end({ last = 0n }: GapEntry): bigint {
  return last
}

function inOrder(a: GapEntry, b: GapEntry): number {
  return (
    compare(a.backend, b.backend) ||
    compare(a.database, b.database) ||
    compare(a.retentionPolicy, b.retentionPolicy) ||
    compare(a.first ?? MIN_NS, b.first ?? MIN_NS) ||
    compare(a.reason, b.reason)
  )
}

/** Before all that influxd stores. */
const MIN_NS = -(2n ** 63n)

function compare<Value extends string | bigint>(a: Value, b: Value): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
