/** Gaps: points that a backend lacks although they were acknowledged; and the arithmetic of their times. */

export interface Gap {
  readonly backend: string
  readonly database: string
  /** Empty for the database's default. */
  readonly retentionPolicy: string
  /** The first and last timestamp of the points, ns since the Unix epoch; undefined if unknown. */
  readonly first: bigint | undefined
  readonly last: bigint | undefined
  /** As far as they could be counted. */
  readonly points: number
  /**
   * Lost writes, at least, whose points cannot be counted: their records are damaged, or they are no line
   * protocol.
   */
  readonly writes: number
  /** One of a few fixed texts. Gaps with different reasons have separate entries. */
  readonly reason: string
  /** When it happened, ms since the Unix epoch. */
  readonly at: number
}

/** Gaps of one backend, database, retention policy and reason that are close in time. */
export interface GapEntry extends Omit<Gap, 'at'> {
  /** When the first and the latest of them happened, ms since the Unix epoch. */
  readonly since: number
  readonly until: number
  /** How many gaps the entry stands for. */
  readonly times: number
}

/** What a verified repair has brought to a backend. */
export interface Repair {
  readonly backend: string
  readonly database: string
  readonly retentionPolicy: string
  /** Undefined for every reason. */
  readonly reason?: string
  /** The first and last timestamp that was repaired, ns since the Unix epoch. */
  readonly first: bigint
  readonly last: bigint
  /** Whether gaps of unknown time are repaired, too. @default false */
  readonly unknownTime?: boolean
  /** When it began, ms since the Unix epoch: it may have missed gaps that happened then or later. */
  readonly startedAt: number
}

/** Ranges at most this far apart are one. */
const NEAR_NS = 60_000_000_000n

/** The range of an entry with one end is unknown; one that runs backward is reversed. */
export function withWholeRange(entry: GapEntry): GapEntry {
  const { first, last } = entry
  if (first === undefined || last === undefined) {
    return { ...entry, first: undefined, last: undefined }
  }
  return first <= last ? entry : { ...entry, first: last, last: first }
}

/**
 * Inserts an entry in order, and merges it with entries that are near it in time.
 *
 * @param rows entries that differ in their ranges alone, in order, none near another
 * @param max the number of rows, at least 1, past which the nearest are merged
 */
export function insert(rows: readonly GapEntry[], entry: GapEntry, max: number): GapEntry[] {
  let merged = entry
  const before: GapEntry[] = []
  const after: GapEntry[] = []
  for (const row of rows) {
    if (isNear(row, entry)) merged = merge(row, merged)
    else if (start(row) < start(entry)) before.push(row)
    else after.push(row)
  }
  const inserted = [...before, merged, ...after]
  while (inserted.length > Math.max(max, 1)) mergeNearest(inserted)
  return inserted
}

/**
 * What a repair leaves of an entry: nothing, the entry, or one or two parts of it. Each part keeps the counts
 * of the entry as an upper bound, because the ledger does not know in which part the points were.
 *
 * An entry that was repaired in its middle stays whole if the two parts would be near each other, because
 * they would merge at the next start.
 *
 * @param canSplit whether there is room for two parts; if not, the entry stays whole, too
 */
export function remainsOf(entry: GapEntry, repair: Repair, canSplit: boolean): GapEntry[] {
  const { first, last } = entry
  if (!isFor(repair, entry) || entry.until >= repair.startedAt) return [entry]
  if (first === undefined || last === undefined) return repair.unknownTime ? [] : [entry]
  if (last < repair.first || first > repair.last) return [entry]
  const parts: GapEntry[] = []
  if (first < repair.first) parts.push({ ...entry, last: repair.first - 1n })
  if (last > repair.last) parts.push({ ...entry, first: repair.last + 1n })
  const [a, b] = parts
  return a && b && (!canSplit || isNear(a, b)) ? [entry] : parts
}

function isFor(repair: Repair, entry: GapEntry): boolean {
  return (
    entry.backend === repair.backend &&
    entry.database === repair.database &&
    entry.retentionPolicy === repair.retentionPolicy &&
    (repair.reason === undefined || entry.reason === repair.reason)
  )
}

/** By backend, database, retention policy and time; an unknown time comes first. */
export function inOrder(a: GapEntry, b: GapEntry): number {
  return (
    compare(a.backend, b.backend) ||
    compare(a.database, b.database) ||
    compare(a.retentionPolicy, b.retentionPolicy) ||
    compare(a.first ?? MIN_NS, b.first ?? MIN_NS) ||
    compare(a.reason, b.reason)
  )
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

function isNear(a: GapEntry, b: GapEntry): boolean {
  return distance(a, b) <= NEAR_NS
}

/** The time between two ranges; 0 or less if they overlap or are unknown. */
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

/** Before every timestamp that influxd stores. */
const MIN_NS = -(2n ** 63n)

function compare<Value extends string | bigint>(a: Value, b: Value): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
