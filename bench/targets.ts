/** The targets of the relay, and whether a run reached them. */

import type { Kind } from './backends.ts'
import { drainSetting } from './drain.ts'
import { faultSetting, HEALTHY } from './faults.ts'
import { MICRO, type Samples, type Spread, spread } from './samples.ts'
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

const largeBatches =
  (kind: Kind, reference: string): Measure =>
  (samples, subject) => {
    const setting = batchSetting(kind, 5000, false, false)
    return samples.ratio('batches', setting, [subject, reference], 'requests/s')
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

/**
 * The highest peak of all runs except those with a buffer in memory, whose size is the user's
 * choice.
 */
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

/** The targets of several kinds of backends, outputs, or settings. */
const forEach = <Name extends string>(names: readonly Name[], make: (name: Name) => Target[]) =>
  names.flatMap(make)

const TARGETS: readonly Target[] = [
  {
    title: 'one-point writes to two influxd / to one directly, 64 connections',
    subjects: BUN,
    atLeast: 1.15,
    stretch: 1.5,
    measure: onePoint('influxd', 64, 'direct'),
  },
  {
    title: 'one-point writes to two influxd / to one directly, 64 connections',
    subjects: [...NODE, 'deno'],
    atLeast: 0.9,
    stretch: 1.5,
    measure: onePoint('influxd', 64, 'direct'),
  },
  {
    title: 'one-point writes to two influxd / to one directly, 256 connections',
    subjects: BUN,
    atLeast: 1.3,
    stretch: 2,
    measure: onePoint('influxd', 256, 'direct'),
  },
  {
    title: 'one-point writes to two influxd / to one directly, 256 connections',
    subjects: [...NODE, 'deno'],
    atLeast: 1.1,
    stretch: 2,
    measure: onePoint('influxd', 256, 'direct'),
  },
  {
    title: 'one-point writes, null backends / haproxy to one, 64 connections',
    subjects: BUN,
    atLeast: 0.85,
    measure: onePoint('null', 64, 'haproxy'),
  },
  {
    title: 'one-point writes, null backends / haproxy to one, 64 connections',
    subjects: [...NODE, 'deno'],
    atLeast: 0.5,
    measure: onePoint('null', 64, 'haproxy'),
  },
  {
    title: 'time of a write to two influxd / to one directly, 1 connection',
    subjects: ALL,
    atMost: 1.9,
    stretch: 1.5,
    measure: alone,
  },
  {
    title: '5,000 points without timestamps, null backends / nginx mirror',
    subjects: ALL,
    atLeast: 0.2,
    stretch: 0.5,
    measure: largeBatches('null', 'nginx-mirror'),
  },
  {
    title: '5,000 points without timestamps to two influxd / to both directly at the same time',
    subjects: ALL,
    atLeast: 0.95,
    measure: largeBatches('influxd', 'direct-to-both'),
  },
  ...forEach<Kind>(['null', 'influxd'], (kind) => [
    {
      title: `added p50 at half load, ${kind}`,
      subjects: ALL,
      atMost: 1,
      unit: 'ms',
      measure: figure('latency', kind, 'added p50 ms'),
    },
    {
      title: `disk buffer / none, healthy, ${kind}`,
      subjects: ALL,
      atLeast: 0.85,
      measure: scene(kind, 'healthy, disk buffer', HEALTHY),
    },
    {
      title: `disk buffer / memory buffer, one down, ${kind}`,
      subjects: ALL,
      atLeast: 0.5,
      measure: scene(kind, 'one down, disk buffer', 'one down, memory buffer'),
    },
  ]),
  ...forEach(['disk', 'memory'], (buffer) => [
    {
      title: `rate at which a backlog drains / was written, ${buffer}`,
      subjects: ALL,
      atLeast: 3,
      measure: figure('drain', drainSetting(buffer), 'drained / written'),
    },
  ]),
  {
    title: 'peak memory of the worst run',
    subjects: [...BUN, ...NODE],
    atMost: 160,
    unit: 'MB',
    measure: peak,
  },
  {
    title: 'peak memory of the worst run',
    subjects: ['deno'],
    atMost: 200,
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
  ...forEach(['stamp: 5,000 points with timestamps', 'stamp: 5,000 points without'], (name) => [
    {
      title: name,
      subjects: ALL,
      atLeast: 500,
      unit: 'MB/s',
      measure: figure(MICRO, name, 'MB/s'),
    },
  ]),
  ...forEach(['to datagrams', 'to HTTP'], (output) => [
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

/** Judges every target that was measured. */
export function judge(samples: Samples): Verdict[] {
  return TARGETS.flatMap((target) =>
    target.subjects.flatMap((subject) => {
      const measured = target.measure(samples, subject)
      return measured === undefined ? [] : [verdict(target, subject, measured)]
    }),
  )
}

function verdict(target: Target, subject: string, measured: Spread): Verdict {
  const { title, atLeast, atMost, stretch, unit = '×' } = target
  const isAtMost = atMost !== undefined
  const holds = (bound: number) => (isAtMost ? measured.median <= bound : measured.median >= bound)
  const text = (bound: number) => `${isAtMost ? '≤' : '≥'} ${bound}${suffix(unit)}`
  const needed = atMost ?? atLeast ?? 0
  const reachesStretch = stretch !== undefined && holds(stretch)
  return {
    target: title,
    subject,
    needed: text(needed),
    stretch: stretch === undefined ? '' : text(stretch),
    measured,
    reached: reachesStretch ? 'stretch' : holds(needed) ? 'yes' : 'NO',
  }
}

const suffix = (unit: string) => (unit === '×' ? unit : unit && ` ${unit}`)
