/** What `influxdb-relay gaps` prints: the gap ledger, for people or for programs. */

import type { GapEntry } from '../losses/gap.ts'
import { gapFields } from '../losses/gap-ledger-format.ts'
import { LEDGER_FULL } from '../losses/gap-table.ts'
import { formatSecondAfter, formatSecondBefore } from '../losses/rfc3339.ts'

export interface GapsFormat {
  /** One JSON array of `GapFields`, an entry a line. */
  readonly json: boolean
  /** The width of the terminal, if it is one: a table that is too wide for it becomes a list. */
  readonly columns?: number | undefined
}

/** Text that ends in a newline. For people, time ranges are rounded outward to whole seconds. */
export function formatGaps(gaps: readonly GapEntry[], { json, columns }: GapsFormat): string {
  if (json) return formatJson(gaps)
  if (gaps.length === 0) {
    return 'No gaps: the ledger knows of nothing acknowledged that a backend lacks.\n'
  }
  const table = formatTable(gaps.map(cellsOf))
  const width = Math.max(...table.map(({ length }) => length))
  const fits = columns === undefined || width <= columns
  return `${(fits ? table : gaps.flatMap(formatEntry)).join('\n')}\n`
}

function formatJson(gaps: readonly GapEntry[]): string {
  if (gaps.length === 0) return '[]\n'
  const lines = gaps.map((gap) => JSON.stringify(gapFields(gap)))
  return `[\n${lines.join(',\n')}\n]\n`
}

const HEADINGS = {
  backend: 'backend',
  database: 'database',
  policy: 'policy',
  from: 'from',
  to: 'to',
  points: 'points',
  reason: 'reason',
  since: 'since',
  times: 'times',
}

type Cells = Readonly<Record<keyof typeof HEADINGS, string>>

const COLUMNS = Object.keys(HEADINGS) as (keyof Cells)[]

const NUMBERS: ReadonlySet<string> = new Set(['points', 'times'])

function cellsOf(gap: GapEntry): Cells {
  const several = gap.reason === LEDGER_FULL
  return {
    backend: printable(gap.backend),
    database: several ? '(several)' : printable(gap.database),
    policy: several ? '(several)' : printable(gap.retentionPolicy) || '-',
    from: gap.first === undefined ? 'unknown' : formatSecondBefore(gap.first),
    to: gap.last === undefined ? 'unknown' : formatSecondAfter(gap.last),
    points: lossOf(gap),
    reason: printable(gap.reason),
    since: formatSecondBefore(BigInt(Math.floor(gap.since)) * 1_000_000n),
    times: String(gap.times),
  }
}

/** Points, and writes whose points nobody can count. */
function lossOf({ points, writes }: GapEntry): string {
  if (writes === 0) return String(points)
  const uncounted = `${writes} ${writes === 1 ? 'write' : 'writes'}`
  return points === 0 ? uncounted : `${points} + ${uncounted}`
}

/** Names come from clients: none may move the cursor, or begin a line. */
function printable(text: string): string {
  return text.replace(
    /[\p{C}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`,
  )
}

function formatTable(rows: readonly Cells[]): string[] {
  const table = [HEADINGS, ...rows]
  const widths = COLUMNS.map((column) => Math.max(...table.map((cells) => cells[column].length)))
  return table.map((cells) =>
    COLUMNS.map((column, i) => pad(cells[column], widths[i] as number, NUMBERS.has(column)))
      .join('  ')
      .trimEnd(),
  )
}

function pad(text: string, width: number, right: boolean): string {
  return right ? text.padStart(width) : text.padEnd(width)
}

function formatEntry(gap: GapEntry): string[] {
  const { backend, database, policy, from, to, points, reason, since, times } = cellsOf(gap)
  const where = policy === '-' ? database : `${database}, policy ${policy}`
  const span = gap.first === undefined ? 'of unknown time' : `from ${from} to ${to}`
  return [
    `${backend}: database ${where}: ${reason}`,
    `  ${points}${gap.writes === 0 ? ' points' : ''} ${span}`,
    gap.times === 1 ? `  once, at ${since}` : `  ${times} times since ${since}`,
  ]
}
