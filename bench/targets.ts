/** What the relay is to reach, and whether it did in what was measured. */

import type { Kind } from './backends.ts'
import { drainSetting } from './drain.ts'
import { faultSetting, HEALTHY } from './faults.ts'
import { MICRO } from './micro.ts'
import { type Samples, type Spread, spread } from './samples.ts'
import { SOAK } from './soak.ts'
import { NODES } from './subjects.ts'
import { lossSetting, udpSetting } from './udp.ts'
import { batchSetting, onePointSetting } from './writes.ts'

export interface Verdict {
  readonly target: string
  readonly subject: string
  readonly needed: string
  readonly stretch: string
  readonly measured: Spread
  readonly reached: 'yes' | 'stretch' | 'NO'
}

type Measure = (samples: Samples, subject: string) => Spread | undefined

interface Target {
  readonly title: string
  readonly subjects: readonly string[]
  readonly atLeast?: number
  readonly atMost?: number
  readonly stretch?: number
  readonly unit?: string
  readonly measure: Measure
}

const BUN = ['bun', 'executable']
const NODE = Object.keys(NODES)
const ALL = [...BUN, 'deno', ...NODE]

const onePoint =
  (kind: Kind, connections: number, reference: string): Measure =>
  (samples, subject) => {
    const setting = onePointSetting(kind, connections)
    return samples.ratio('one-point', setting, [subject, reference], 'requests/s')
  }

const alone: Measure = (samples, subject) => {
  const setting = onePointSetting('influxd', 1)
  return samples.ratio('one-point', setting, ['direct', subject], 'requests/s')
}

const largeBatches: Measure = (samples, subject) => {
  const setting = batchSetting('null', 5000, false, false)
  return samples.ratio('batches', setting, [subject, 'nginx-mirror'], 'requests/s')
}

const scene =
  (kind: Kind, name: string, reference: string): Measure =>
  (samples, subject) =>
    samples.ratio(
      'faults',
      faultSetting(kind, name),
      [subject, subject],
      'requests/s',
      faultSetting(kind, reference),
    )

const figure =
  (part: string, setting: string, name: string): Measure =>
  (samples, subject) =>
    samples.figure(part, setting, subject, name)

/** The worst of all runs, but for a buffer in memory: how large that is, its user decides. */
const peak: Measure = (samples, subject) => {
  const peaks = samples.all
    .filter((one) => one.subject === subject && !one.setting.includes('memory buffer'))
    .map(({ figures }) => figures['peak MB'] ?? 0)
  const most = Math.max(0, ...peaks)
  return most > 0 ? spread([most]) : undefined
}

const unseenLosses =
  (output: string): Measure =>
  (samples, subject) => {
    const setting = lossSetting(output)
    const value = (name: string) => samples.figure('udp', setting, subject, name)?.most
    const lost = value('not relayed')
    return lost === undefined ? undefined : spread([lost - (value('of them in the log') ?? 0)])
  }

/** For two kinds of backends, or outputs, or settings. */
const both = <Name extends string>(names: readonly Name[], make: (name: Name) => Target[]) =>
  names.flatMap(make)

const TARGETS: readonly Target[] = [
  {
    title: 'one-point writes to two influxd / to one directly, 64 connections',
    subjects: ALL,
    atLeast: 1,
    stretch: 1.5,
    measure: onePoint('influxd', 64, 'direct'),
  },
  {
    title: 'one-point writes to two influxd / to one directly, 256 connections',
    subjects: ALL,
    atLeast: 1.3,
    stretch: 2,
    measure: onePoint('influxd', 256, 'direct'),
  },
  {
    title: 'one-point writes, null backends / haproxy to one, 64 connections',
    subjects: [...BUN, 'deno'],
    atLeast: 1,
    measure: onePoint('null', 64, 'haproxy'),
  },
  {
    title: 'one-point writes, null backends / haproxy to one, 64 connections',
    subjects: NODE,
    atLeast: 0.6,
    measure: onePoint('null', 64, 'haproxy'),
  },
  {
    title: '5,000 points without timestamps, null backends / nginx mirror',
    subjects: BUN,
    atLeast: 0.6,
    stretch: 1,
    measure: largeBatches,
  },
  {
    title: '5,000 points without timestamps, null backends / nginx mirror',
    subjects: ['deno', ...NODE],
    atLeast: 0.35,
    stretch: 0.6,
    measure: largeBatches,
  },
  ...both<Kind>(['null', 'influxd'], (kind) => [
    {
      title: `added p50 at half load, ${kind}`,
      subjects: BUN,
      atMost: 0.5,
      unit: 'ms',
      measure: figure('latency', kind, 'added p50 ms'),
    },
    {
      title: `added p50 at half load, ${kind}`,
      subjects: ['deno', ...NODE],
      atMost: 1,
      unit: 'ms',
      measure: figure('latency', kind, 'added p50 ms'),
    },
  ]),
  {
    title: 'time of a write to two influxd / to one directly, 1 connection',
    subjects: ALL,
    atMost: 1.5,
    measure: alone,
  },
  ...both<Kind>(['null', 'influxd'], (kind) => [
    {
      title: `disk buffer / none, healthy, ${kind}`,
      subjects: ALL,
      atLeast: 0.9,
      measure: scene(kind, 'healthy, disk buffer', HEALTHY),
    },
    {
      title: `disk buffer / memory buffer, one down, ${kind}`,
      subjects: ALL,
      atLeast: 0.5,
      measure: scene(kind, 'one down, disk buffer', 'one down, memory buffer'),
    },
  ]),
  ...both(['disk', 'memory'], (buffer) => [
    {
      title: `rate at which a backlog drains / was written, ${buffer}`,
      subjects: ALL,
      atLeast: 3,
      measure: figure('drain', drainSetting(buffer), 'drained / written'),
    },
  ]),
  {
    title: 'peak memory of the worst run',
    subjects: ALL,
    atMost: 150,
    unit: 'MB',
    measure: peak,
  },
  {
    title: 'idle memory',
    subjects: ALL,
    atMost: 70,
    unit: 'MB',
    measure: figure('start', 'null', 'idle MB'),
  },
  {
    title: 'memory at the end of the soak / in its first third',
    subjects: ALL,
    atMost: 1.1,
    measure: figure(SOAK, 'null', 'last third / first'),
  },
  ...both(['stamp: 5,000 points with timestamps', 'stamp: 5,000 points without'], (name) => [
    {
      title: name,
      subjects: ALL,
      atLeast: 500,
      unit: 'MB/s',
      measure: figure(MICRO, name, 'MB/s'),
    },
  ]),
  ...both(['to datagrams', 'to HTTP'], (output) => [
    {
      title: `100,000 datagrams a second, ${output}`,
      subjects: [...BUN, ...NODE],
      atLeast: 95,
      unit: '%',
      measure: figure('udp', udpSetting(100_000, output), 'relayed %'),
    },
    {
      title: `100,000 datagrams a second, ${output}`,
      subjects: ['deno'],
      atLeast: 85,
      unit: '%',
      measure: figure('udp', udpSetting(100_000, output), 'relayed %'),
    },
    {
      title: `datagrams that were lost unseen, ${output}`,
      subjects: ALL,
      atMost: 0,
      unit: '',
      measure: unseenLosses(output),
    },
  ]),
]

/** All targets for which enough was measured. */
export function judge(samples: Samples): Verdict[] {
  return TARGETS.flatMap((target) =>
    target.subjects.flatMap((subject) => {
      const measured = target.measure(samples, subject)
      return measured === undefined ? [] : [verdict(target, subject, measured)]
    }),
  )
}

function verdict(target: Target, subject: string, measured: Spread): Verdict {
  const { title, atLeast = -Infinity, atMost = Infinity, stretch, unit = '×' } = target
  const { median } = measured
  const yes = median >= atLeast && median <= atMost
  const better = yes && stretch !== undefined && median >= stretch
  const bound = atMost === Infinity ? `≥ ${atLeast}` : `≤ ${atMost}`
  return {
    target: title,
    subject,
    needed: bound + suffix(unit),
    stretch: stretch === undefined ? '' : `≥ ${stretch}${suffix(unit)}`,
    measured,
    reached: better ? 'stretch' : yes ? 'yes' : 'NO',
  }
}

const suffix = (unit: string) => (unit === '×' ? unit : unit && ` ${unit}`)
