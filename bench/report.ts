/** A run's figures as text. */

import { tell } from './machine.ts'
import type { Result } from './result.ts'
import { Samples, type Spread } from './samples.ts'
import { short, table } from './table.ts'
import { judge } from './targets.ts'

/** The figure that others are compared by, where there is one. */
const RATE = 'requests/s'

export interface Section {
  readonly title: string
  readonly rows: readonly (readonly string[])[]
}

/** Everything, for a terminal. */
export function report(result: Result): string {
  const sections = sectionsOf(result).map(({ title, rows }) => `${title}\n\n${table(rows)}`)
  return [introduction(result), ...sections].join('\n\n')
}

export function introduction({ machine, rounds, seconds }: Result): string {
  const how = `Medians of ${rounds} round${rounds === 1 ? '' : 's'} of ${seconds} s, in turns`
  return `${tell(machine)}\n${how}; in parentheses the least and the most of any round.`
}

export function sectionsOf(result: Result): Section[] {
  const samples = new Samples(result.samples)
  const sections = samples
    .parts()
    .flatMap((part) => samples.settings(part).map((setting) => settingOf(samples, part, setting)))
  const verdicts = verdictRows(samples)
  return verdicts.length > 1 ? [...sections, { title: 'Targets', rows: verdicts }] : sections
}

/** A table with a row for each subject, its rate also as a multiple of the first subject's. */
function settingOf(samples: Samples, part: string, setting: string): Section {
  const subjects = samples.subjects(part, setting)
  const figures = samples
    .figures(part)
    .filter((figure) =>
      subjects.some((subject) => samples.figure(part, setting, subject, figure) !== undefined),
    )
  const [reference = ''] = subjects
  const compares = figures.includes(RATE) && reference === 'direct'
  const head = ['subject', ...(compares ? ['/ direct'] : []), ...figures]
  const rows = subjects.map((subject) => {
    const ratio = samples.ratio(part, setting, [subject, reference], RATE)
    const cells = figures.map((figure) => {
      const value = samples.figure(part, setting, subject, figure)
      return figure === RATE ? withSpread(value) : short(value?.median)
    })
    return [subject, ...(compares ? [`${withSpread(ratio)}`] : []), ...cells]
  })
  return { title: `${part}: ${setting}`, rows: [head, ...rows] }
}

function verdictRows(samples: Samples): string[][] {
  const rows = judge(samples).map(({ target, subject, needed, measured, reached }) => [
    target,
    subject,
    needed,
    withSpread(measured),
    reached ? 'yes' : 'NO',
  ])
  return [['target', 'subject', 'needed', 'measured', 'reached'], ...rows]
}

function withSpread(value: Spread | undefined): string {
  if (value === undefined) return ''
  const { median, least, most } = value
  return least === most ? short(median) : `${short(median)} (${short(least)}–${short(most)})`
}
