/**
 * The file of the gap ledger: JSON lines, a header and then one line per entry.
 *
 *     {"influxdb_relay":"gap ledger","version":1}
 *     {"backend":"influx2","database":"telegraf","retention_policy":"", … }
 *
 * The keys of an entry are those of `GapFields`. `from` and `to` are for people; the relay reads `from_ns`
 * and `to_ns`.
 */

import type { GapEntry } from './gap.ts'
import { formatNanoseconds } from './rfc3339.ts'

/** The ledger's name in the data directory. */
export const LEDGER_FILE = 'gaps.jsonl'

const HEADER = JSON.stringify({ influxdb_relay: 'gap ledger', version: 1 })

const MAX_INT64 = 2n ** 63n - 1n

/** An entry as JSON. Names and order of the keys do not change. Times are RFC 3339. */
interface GapFields {
  readonly backend: string
  /** Empty in an entry that stands for several databases because the ledger was full. */
  readonly database: string
  /** Empty for the database's default. */
  readonly retention_policy: string
  /** To the nanosecond. Null, like the next three, if the time of the points is unknown. */
  readonly from: string | null
  readonly to: string | null
  /** Nanoseconds since the Unix epoch, as text: a number in JSON loses digits. */
  readonly from_ns: string | null
  readonly to_ns: string | null
  /** As far as they could be counted; the most that are missing, if a repair has closed a part. */
  readonly points: number
  /** Further lost writes, at least, whose points cannot be counted because their records are damaged. */
  readonly writes: number
  readonly reason: string
  /** When the first and the latest of the gaps happened, to the millisecond. */
  readonly since: string
  readonly until: string
  /** How many gaps the entry stands for. */
  readonly times: number
}

export function gapFields(entry: GapEntry): GapFields {
  const { first, last } = entry
  return {
    backend: entry.backend,
    database: entry.database,
    retention_policy: entry.retentionPolicy,
    from: first === undefined ? null : formatNanoseconds(first),
    to: last === undefined ? null : formatNanoseconds(last),
    from_ns: first === undefined ? null : first.toString(),
    to_ns: last === undefined ? null : last.toString(),
    points: entry.points,
    writes: entry.writes,
    reason: entry.reason,
    since: formatMilliseconds(entry.since),
    until: formatMilliseconds(entry.until),
    times: entry.times,
  }
}

export function formatLedger(entries: readonly GapEntry[]): string {
  const lines = entries.map((entry) => JSON.stringify(gapFields(entry)))
  return `${[HEADER, ...lines].join('\n')}\n`
}

interface ParsedLedger {
  readonly entries: readonly GapEntry[]
  /** What is wrong with the file; undefined if nothing is. The intact lines are read all the same. */
  readonly damage: string | undefined
}

/** @param text the whole file. An operator may have edited it. */
export function parseLedger(text: string): ParsedLedger {
  const entries: GapEntry[] = []
  const [header, ...lines] = text.split('\n')
  let damage = header?.trim() === HEADER ? undefined : 'line 1 is not the header of a gap ledger'
  // Every line ends in a newline, so the last piece is empty.
  if (lines.pop() !== '') damage ??= 'the last line is incomplete'
  for (const [i, line] of lines.entries()) {
    if (line.trim() === '') continue
    const entry = parseEntry(line)
    if (entry) entries.push(entry)
    else damage ??= `line ${i + 2} is not an entry`
  }
  return { entries, damage }
}

function parseEntry(line: string): GapEntry | undefined {
  const fields = parseObject(line)
  const { backend, database, retention_policy: retentionPolicy, reason } = fields
  const { from_ns, to_ns, points, writes = 0, times } = fields
  if (typeof backend !== 'string' || typeof database !== 'string') return undefined
  if (typeof retentionPolicy !== 'string' || typeof reason !== 'string') return undefined
  if (!isCount(points) || !isCount(writes) || !isCount(times)) return undefined
  const since = parseMilliseconds(fields.since)
  const until = parseMilliseconds(fields.until)
  if (since === undefined || until === undefined) return undefined
  const range = parseRange(from_ns, to_ns)
  if (!range) return undefined
  const counts = { points, writes, times }
  return { backend, database, retentionPolicy, ...range, ...counts, reason, since, until }
}

function parseObject(line: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(line))
  } catch {
    return {}
  }
}

function parseRange(from: unknown, to: unknown): Pick<GapEntry, 'first' | 'last'> | undefined {
  if (from === null && to === null) return { first: undefined, last: undefined }
  const first = parseNanoseconds(from)
  const last = parseNanoseconds(to)
  return first === undefined || last === undefined ? undefined : { first, last }
}

function parseNanoseconds(value: unknown): bigint | undefined {
  if (typeof value !== 'string' || !/^-?\d{1,19}$/.test(value)) return undefined
  const nanoseconds = BigInt(value)
  return nanoseconds <= MAX_INT64 && nanoseconds >= -MAX_INT64 ? nanoseconds : undefined
}

function parseMilliseconds(value: unknown): number | undefined {
  const ms = typeof value === 'string' ? Date.parse(value) : Number.NaN
  return Number.isNaN(ms) ? undefined : ms
}

function formatMilliseconds(sinceEpoch: number): string {
  return formatNanoseconds(BigInt(Math.floor(sinceEpoch)) * 1_000_000n)
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}
