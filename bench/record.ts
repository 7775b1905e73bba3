/** Saves a run's figures as JSON, as the chart, and as a section of this folder's README. */

import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { chart } from './chart.ts'
import { here } from './paths.ts'
import { introduction, verdictsOf } from './report.ts'
import { type Result, resultText } from './result.ts'
import { Samples } from './samples.ts'
import { markdown, short } from './table.ts'

const BEGIN = '<!-- measured: written by npm run bench -- --record -->'
const END = '<!-- end of measured -->'

export async function record(result: Result): Promise<void> {
  await write(join(here, 'results.json'), resultText(withoutLogs(result)))
  const drawing = chart(result)
  if (drawing !== undefined) await write(join(here, 'chart.svg'), drawing)
  const readme = join(here, 'README.md')
  const text = await readFile(readme, 'utf8')
  const [before, rest] = text.split(BEGIN)
  const after = rest?.split(END)[1]
  if (before === undefined || after === undefined) {
    throw new Error(`${readme} lacks the lines ${BEGIN} and ${END}`)
  }
  await write(readme, `${before}${BEGIN}\n\n${section(result)}\n\n${END}${after}`)
}

/**
 * Keeps the first line of each failure; below it is a log, which may have paths of this machine.
 */
const withoutLogs = (result: Result): Result => ({
  ...result,
  failures: result.failures.map((failure) => failure.split('\n', 1).join()),
})

async function write(file: string, text: string): Promise<void> {
  await writeFile(file, text)
  console.log(`wrote ${file}`)
}

function section(result: Result): string {
  const samples = new Samples(result.samples)
  const tables = [
    ['One-point writes, as a multiple of `direct`', ratios(samples, 'one-point')],
    ['Batches, as a multiple of `direct`', ratios(samples, 'batches')],
    ['Processor time, µs a request', medians(samples, 'one-point', 'CPU us/request')],
    ['Requests that reach a server per 1,000 writes', reached(samples)],
    ['Latency added at half load, ms: p50, p99, p99.9', added(samples)],
    ['Start and rest', subjectsBy(samples, 'start', ['start-up ms', 'idle MB'])],
    ['Hot paths alone, MB/s', medians(samples, 'micro', 'MB/s')],
  ] as const
  const measured = tables
    .filter(([, rows]) => rows.length > 1)
    .map(([title, rows]) => `**${title}**\n\n${markdown(rows)}`)
  const targets = verdictsOf(samples).rows
  return [introduction(result), '### Targets', markdown(targets), '### More', ...measured].join(
    '\n\n',
  )
}

type Rows = readonly (readonly string[])[]

/** A row for each setting, a column for each subject. */
function grid(
  samples: Samples,
  part: string,
  cell: (setting: string, subject: string) => string,
): Rows {
  const subjects = samples.subjects(part)
  const rows = samples
    .settings(part)
    .map((setting) => [setting, ...subjects.map((subject) => cell(setting, subject))])
  return [['', ...subjects], ...rows]
}

const ratios = (samples: Samples, part: string) =>
  grid(samples, part, (setting, subject) =>
    short(samples.ratio(part, setting, [subject, 'direct'], 'requests/s')?.median),
  )

const medians = (samples: Samples, part: string, figure: string) =>
  grid(samples, part, (setting, subject) =>
    short(samples.figure(part, setting, subject, figure)?.median),
  )

const reached = (samples: Samples) => medians(samples, 'one-point', 'backend requests per 1,000')

const added = (samples: Samples) =>
  grid(samples, 'latency', (setting, subject) =>
    ['added p50 ms', 'added p99 ms', 'added p99.9 ms']
      .map((figure) => short(samples.figure('latency', setting, subject, figure)?.median))
      .join(', '),
  )

/** A row for each figure, a column for each subject. */
function subjectsBy(samples: Samples, part: string, figures: readonly string[]): Rows {
  const subjects = samples.subjects(part)
  const setting = samples.settings(part)[0] ?? ''
  const rows = figures.map((figure) => [
    figure,
    ...subjects.map((subject) => short(samples.figure(part, setting, subject, figure)?.median)),
  ])
  return subjects.length === 0 ? [] : [['', ...subjects], ...rows]
}
