/** What the relay is to reach, and whether it did in what was measured. */

import type { Kind } from './backends.ts'
import type { Samples, Spread } from './samples.ts'
import { batchSetting, onePointSetting } from './writes.ts'

export interface Verdict {
  readonly target: string
  readonly subject: string
  readonly needed: string
  readonly measured: Spread
  readonly reached: boolean
}

interface Target {
  readonly title: string
  readonly subjects: readonly string[]
  /** A bound below, or above if `most` is set. */
  readonly bound: number
  readonly most?: true
  readonly unit?: string
  measure(samples: Samples, subject: string): Spread | undefined
}

const ALL = ['bun', 'executable', 'deno', 'node20', 'node26']
const BUN = ['bun', 'executable']
const NOT_BUN = ['deno', 'node20', 'node26']

function onePoint(kind: Kind, connections: number, reference: string) {
  const setting = onePointSetting(kind, connections)
  return (samples: Samples, subject: string) =>
    samples.ratio('one-point', setting, [subject, reference], 'requests/s')
}

const largeBatches = (samples: Samples, subject: string) =>
  samples.ratio(
    'batches',
    batchSetting('null', 5000, false, false),
    [subject, 'nginx-mirror'],
    'requests/s',
  )

const TARGETS: readonly Target[] = [
  {
    title: 'one-point writes to two influxd / direct to one, 64 connections',
    subjects: ALL,
    bound: 1,
    measure: onePoint('influxd', 64, 'direct'),
  },
  {
    title: 'the same, 256 connections',
    subjects: ALL,
    bound: 1.3,
    measure: onePoint('influxd', 256, 'direct'),
  },
  {
    title: 'one-point writes to two null backends / haproxy to one, 64 connections',
    subjects: [...BUN, 'deno'],
    bound: 1,
    measure: onePoint('null', 64, 'haproxy'),
  },
  {
    title: 'one-point writes to two null backends / haproxy to one, 64 connections',
    subjects: ['node20', 'node26'],
    bound: 0.6,
    measure: onePoint('null', 64, 'haproxy'),
  },
  {
    title: '5,000 points without timestamps, null backends / nginx mirror',
    subjects: BUN,
    bound: 0.6,
    measure: largeBatches,
  },
  {
    title: '5,000 points without timestamps, null backends / nginx mirror',
    subjects: NOT_BUN,
    bound: 0.35,
    measure: largeBatches,
  },
]

/** All targets for which enough was measured. */
export function judge(samples: Samples): Verdict[] {
  return TARGETS.flatMap(({ title, subjects, bound, most, unit = '×', measure }) =>
    subjects.flatMap((subject) => {
      const measured = measure(samples, subject)
      if (measured === undefined) return []
      const reached = most ? measured.median <= bound : measured.median >= bound
      const needed = `${most ? '≤' : '≥'} ${bound}${unit === '×' ? '×' : ` ${unit}`}`
      return [{ target: title, subject, needed, measured, reached }]
    }),
  )
}
