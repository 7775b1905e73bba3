/** A run's figures as text. */

import { faultSetting, HEALTHY } from './faults.ts'
import { machineText } from './machine.ts'
import type { Result } from './result.ts'
import { MICRO, Samples, type Spread } from './samples.ts'
import { beforeOf, OURS } from './subjects.ts'
import { short, table } from './table.ts'
import { judge } from './targets.ts'

/** The figure by which subjects are compared. */
const RATE = 'requests/s'

export interface Section {
  readonly title: string
  readonly rows: readonly (readonly string[])[]
}

/** The whole report, for a terminal. */
export function report(result: Result): string {
  const sections = sectionsOf(result).map(({ title, rows }) => `${title}\n\n${table(rows)}`)
  return [introduction(result), ...sections].join('\n\n')
}

export function introduction({ machine, rounds, seconds }: Result): string {
  const how = `Medians of ${rounds} round${rounds === 1 ? '' : 's'} of ${seconds} s, in turns`
  return `${machineText(machine)}\n${how}; in parentheses the least and the most of any round.`
}

export function sectionsOf(result: Result): Section[] {
  const samples = new Samples(result.samples)
  const sections = samples
    .parts()
    .flatMap((part) =>
      part === MICRO
        ? [matrixOf(samples, part, 'MB/s')]
        : samples.settings(part).map((setting) => settingOf(samples, part, setting)),
    )
  const closing = [verdictsOf(samples), changesOf(samples)].filter(({ rows }) => rows.length > 1)
  return [...sections, ...closing]
}

/** A table with a row for each setting and a column for each subject. */
function matrixOf(samples: Samples, part: string, figure: string): Section {
  const subjects = samples.subjects(part)
  const rows = samples.settings(part).map((setting) => {
    const values = subjects.map((subject) => samples.figure(part, setting, subject, figure))
    return [setting, ...values.map((value) => short(value?.median))]
  })
  return { title: `${part}: ${figure}`, rows: [['', ...subjects], ...rows] }
}

/** A table with a row for each subject, with its rate as a multiple of its reference's. */
function settingOf(samples: Samples, part: string, setting: string): Section {
  const subjects = samples.subjects(part, setting)
  const figures = samples
    .figures(part)
    .filter((figure) =>
      subjects.some((subject) => samples.figure(part, setting, subject, figure) !== undefined),
    )
  const reference = referenceOf(samples, part, setting)
  const head = ['subject', ...(reference ? [`/ ${reference.name}`] : []), ...figures]
  const rows = subjects.map((subject) => {
    const cells = figures.map((figure) => {
      const value = samples.figure(part, setting, subject, figure)
      return figure === RATE ? withSpread(value) : short(value?.median)
    })
    return [subject, ...(reference ? [withSpread(reference.ratio(subject))] : []), ...cells]
  })
  return { title: `${part}: ${setting}`, rows: [head, ...rows] }
}

interface Reference {
  readonly name: string
  ratio(subject: string): Spread | undefined
}

/** Writes are compared with direct writes, faults with a healthy run. */
function referenceOf(samples: Samples, part: string, setting: string): Reference | undefined {
  if (part === 'faults') {
    const healthy = faultSetting(setting.startsWith('null') ? 'null' : 'influxd', HEALTHY)
    return {
      name: HEALTHY,
      ratio: (subject) => samples.ratio(part, setting, [subject, subject], RATE, healthy),
    }
  }
  if (!samples.subjects(part, setting).includes('direct')) return undefined
  return {
    name: 'direct',
    ratio: (subject) => samples.ratio(part, setting, [subject, 'direct'], RATE),
  }
}

export function verdictsOf(samples: Samples): Section {
  const rows = judge(samples).map(({ target, subject, needed, stretch, measured, reached }) => [
    target,
    subject,
    needed,
    stretch,
    withSpread(measured),
    reached,
  ])
  const head = ['target', 'subject', 'needed', 'stretch', 'measured', 'reached']
  return { title: 'Targets', rows: [head, ...rows] }
}

/**
 * Rates as multiples of those of another checkout's relay: a row for each setting, a column for
 * each way to run.
 */
function changesOf(samples: Samples): Section {
  const settings = samples
    .parts()
    .flatMap((part) => samples.settings(part).map((setting) => ({ part, setting })))
  const rows = settings.map(({ part, setting }) => [
    setting,
    ...OURS.map((name) => withSpread(samples.ratio(part, setting, [name, beforeOf(name)], RATE))),
  ])
  const measured = rows.filter(([, ...cells]) => cells.some((cell) => cell !== ''))
  return { title: 'After / before', rows: [['', ...OURS], ...measured] }
}

function withSpread(value: Spread | undefined): string {
  if (value === undefined) return ''
  const { median, least, most } = value
  return least === most ? short(median) : `${short(median)} (${short(least)}–${short(most)})`
}
