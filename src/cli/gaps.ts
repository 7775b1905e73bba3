/** The command `influxdb-relay gaps`: prints the gap ledger, for people or for programs. */

import type { Config } from '../config/config.ts'
import { ConfigError } from '../config/load.ts'
import { codeOf } from '../disk/disk.ts'
import type { GapEntry } from '../losses/gap.ts'
import { gapFields, LEDGER_FILE, parseLedger } from '../losses/gap-ledger-format.ts'
import { LEDGER_FULL } from '../losses/gap-table.ts'
import { formatSecondAfter, formatSecondBefore } from '../losses/rfc3339.ts'
import { escaped, shortened } from '../observe/escape.ts'
import type { ProgramRuntime } from '../runtime.ts'

/**
 * Prints what each backend lacks. Changes nothing, so it may run beside the relay.
 *
 * @throws ConfigError if there is no data directory, or its ledger cannot be read
 */
export async function printGaps(
  { dataDir }: Pick<Config, 'dataDir'>,
  runtime: Pick<ProgramRuntime, 'readFile' | 'print' | 'printError'>,
  json: boolean,
): Promise<void> {
  if (dataDir === undefined) {
    throw new ConfigError('there is no gap ledger: the configuration has no data-dir')
  }
  const path = `${dataDir}/${LEDGER_FILE}`
  const text = await runtime.readFile(path).catch((error) => {
    if (codeOf(error) === 'ENOENT') return undefined
    throw new ConfigError(`cannot read the gap ledger: ${(error as Error).message}`)
  })
  const { entries, damage } = text === undefined ? NO_LEDGER : parseLedger(text)
  runtime.print(json ? formatJson(entries) : formatText(entries))
  if (damage !== undefined) {
    const message = escaped(`${path} is damaged, entries may be missing: ${damage}`)
    runtime.printError(`influxdb-relay: ${message}\n`)
  }
}

/** Before the first gap there is no file. */
const NO_LEDGER = { entries: [], damage: undefined }

/** Time ranges are rounded outward to whole seconds. */
export function formatText(gaps: readonly GapEntry[]): string {
  if (gaps.length === 0) {
    return 'No gaps: the ledger lists no acknowledged write that a backend lacks.\n'
  }
  return `${formatTable(gaps.map(cellsOf)).join('\n')}\n`
}

/** One JSON array of `GapFields`, an entry a line. */
export function formatJson(gaps: readonly GapEntry[]): string {
  if (gaps.length === 0) return '[]\n'
  const lines = gaps.map((gap) => escaped(JSON.stringify(gapFields(gap))))
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

/** Points, and writes whose points cannot be counted. */
function lossOf({ points, writes }: GapEntry): string {
  if (writes === 0) return String(points)
  const uncounted = `${writes} ${writes === 1 ? 'write' : 'writes'}`
  return points === 0 ? uncounted : `${points} + ${uncounted}`
}

/** The most characters of a name in the table. `-json` prints it whole. */
const MAX_NAME_CHARS = 100

/** Names come from clients: a control character in one must not move the cursor or begin a line. */
function printable(name: string): string {
  return escaped(shortened(name, MAX_NAME_CHARS))
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
