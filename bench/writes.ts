/** Writes of all kinds, to each subject in turns. */

import type { Kind } from './backends.ts'
import type { Lab, Part } from './lab.ts'
import type { Load } from './load.ts'
import { measure } from './measure.ts'
import type { Shape } from './requests.ts'
import type { Running, Subject } from './subjects.ts'

/** A load that every subject gets. */
interface Case {
  readonly kind: Kind
  readonly setting: string
  readonly load: Load
}

const KINDS: readonly Kind[] = ['null', 'influxd']

const onePoint: Shape = { points: 1, timestamps: true }

/** The name of a setting. */
const named = (kind: Kind, connections: number, more = '') =>
  `${kind}, ${connections} connection${connections === 1 ? '' : 's'}${more}`

export const onePointSetting = (kind: Kind, connections: number) => named(kind, connections)

/** One-point writes, from one connection to many. */
export const onePointWrites: Part = {
  name: 'one-point',
  title: 'One-point writes',
  async run(lab) {
    const counts = lab.options.quick ? [64] : [1, 16, 64, 256, 1000]
    const cases = KINDS.flatMap((kind) =>
      counts.map((connections) => ({
        kind,
        setting: named(kind, connections),
        load: { shape: onePoint, connections },
      })),
    )
    for (const one of cases) await compare(lab, 'one-point', one, lab.subjects)
  },
}

/** One-point writes that need timestamps, or a lane for each of several databases. */
export const variedWrites: Part = {
  name: 'varied',
  title: 'One-point writes of other kinds',
  async run(lab) {
    const shapes: [string, Shape][] = [
      ['no timestamps', { points: 1, timestamps: false }],
      ['8 databases', { points: 1, timestamps: true, mixed: true }],
    ]
    const cases = KINDS.flatMap((kind) =>
      shapes.map(([more, shape]) => ({
        kind,
        setting: named(kind, 64, `, ${more}`),
        load: { shape, connections: 64 },
      })),
    )
    const subjects = [...lab.direct, ...lab.distinctRelays]
    for (const one of lab.options.quick ? cases.slice(0, 1) : cases) {
      await compare(lab, 'varied', one, subjects)
    }
  },
}

/** influxd takes some 30 bodies of 5,000 points a second, too few to count in one. */
const SLOW_FACTOR = 4

const BATCH_CONNECTIONS = { 100: 16, 5000: 8 } as const

export const batchSetting = (kind: Kind, points: number, timestamps: boolean, gzip: boolean) =>
  `${kind}, ${points} points, ${timestamps ? 'timestamps' : 'no timestamps'}${gzip ? ', gzip' : ''}`

/** Batches as agents send them, small and large. */
export const batches: Part = {
  name: 'batches',
  title: 'Batches',
  async run(lab) {
    const cases = batchCases()
    for (const one of lab.options.quick ? cases.slice(6, 8) : cases) {
      await compare(lab, 'batches', one, subjectsOf(lab, one))
    }
  },
}

/**
 * Proxies do not look into a body, so one kind of body shows their rate; and influxd is slower than
 * they.
 */
function subjectsOf(lab: Lab, { kind, load: { shape } }: Case): readonly Subject[] {
  if (kind === 'null' && !shape.gzip) return lab.subjects
  const limit = kind === 'influxd' && shape.points === 5000 ? lab.directToBoth : []
  return [...lab.direct, ...limit, ...lab.distinctRelays]
}

/** The writes that a change of the relay must not make slower. */
export const change: Part = {
  name: 'change',
  title: 'Writes of one point and of 5,000, before and after a change',
  async run(lab) {
    const subjects = lab.subjects.filter(({ name }) => name !== 'vmagent')
    for (const kind of KINDS) {
      const load = { shape: onePoint, connections: 64 }
      await compare(lab, 'one-point', { kind, setting: named(kind, 64), load }, subjects)
    }
    const large = batchCases().filter(
      ({ load: { shape } }) => shape.points === 5000 && !shape.timestamps && !shape.gzip,
    )
    for (const one of large) {
      const { direct, directToBoth, relays } = lab
      const all = one.kind === 'null' ? subjects : [...direct, ...directToBoth, ...relays]
      await compare(lab, 'batches', one, all)
    }
  },
}

function batchCases(): Case[] {
  const cases: Case[] = []
  for (const kind of KINDS) {
    for (const points of [100, 5000] as const) {
      for (const timestamps of [true, false]) {
        for (const gzip of [false, true]) {
          const setting = batchSetting(kind, points, timestamps, gzip)
          const shape = { points, timestamps, gzip }
          cases.push({ kind, setting, load: { shape, connections: BATCH_CONNECTIONS[points] } })
        }
      }
    }
  }
  return cases
}

/** Warms each subject up once for this size of writes, then measures all of them in turns. */
async function compare(
  lab: Lab,
  part: string,
  { kind, setting, load }: Case,
  subjects: readonly Subject[],
): Promise<void> {
  const backends = await lab.backends(kind)
  const arms: { name: string; subject: Subject; running: Running }[] = []
  for (const subject of subjects) {
    const name = `${subject.name}, ${setting}`
    await lab.attempt(name, async () => {
      const running = await lab.running(subject, kind)
      await lab.once(`warm up ${subject.name} ${kind} ${load.shape.points}`, async () => {
        if (lab.options.quick) return
        await lab.using(running, () => measure(subject, running, backends, load, 1))
      })
      arms.push({ name, subject, running })
    })
  }
  const { seconds, quick } = lab.options
  const isSlow = kind === 'influxd' && load.shape.points === 5000 && !quick
  await lab.rounds(arms, async ({ subject, running }, round) => {
    const figures = await lab.using(running, () =>
      measure(subject, running, backends, load, isSlow ? SLOW_FACTOR * seconds : seconds),
    )
    lab.record({ part, setting, subject: subject.name, round, figures })
  })
}
