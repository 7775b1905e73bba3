/** How much longer a write takes than a direct one, at half of the highest rate. */

import type { Kind } from './backends.ts'
import type { Lab, Part } from './lab.ts'
import { send } from './load.ts'
import { runScript } from './script.ts'
import type { Running, Subject } from './subjects.ts'

const CONNECTIONS = 64
const LOAD = { shape: { points: 1, timestamps: true }, connections: CONNECTIONS }

interface Paced {
  readonly rate: number
  readonly p50: number
  readonly p99: number
  readonly p999: number
}

/** One-point writes at an even rate, by `paced.ts`, since wrk cannot hold a rate. */
export const latency: Part = {
  name: 'latency',
  title: 'Latency at half of the load that can be carried',
  async run(lab) {
    const kinds: Kind[] = lab.options.quick ? ['null'] : ['null', 'influxd']
    for (const kind of kinds) await measureLatencies(lab, kind)
  },
}

async function measureLatencies(lab: Lab, kind: Kind): Promise<void> {
  const [direct] = lab.direct as [Subject]
  const straight = await lab.running(direct, kind)
  const most = await highestRate(straight.url)
  const arms: { name: string; subject: Subject; running: Running; rate: number }[] = []
  for (const subject of [...othersFor(lab, kind), ...lab.someRelays]) {
    const name = `${subject.name}, latency, ${kind}`
    await lab.attempt(name, async () => {
      const running = await lab.running(subject, kind)
      const highest = await lab.using(running, () => highestRate(running.url))
      arms.push({ name, subject, running, rate: Math.min(most, highest) / 2 })
    })
  }
  const { seconds } = lab.options
  await lab.rounds(arms, async ({ subject, running, rate }, round) => {
    const without = await pace(straight.url, rate, seconds)
    const through = await lab.using(running, () => pace(running.url, rate, seconds))
    lab.record({
      part: 'latency',
      setting: kind,
      subject: subject.name,
      round,
      figures: {
        'writes/s': through.rate,
        'added p50 ms': through.p50 - without.p50,
        'added p99 ms': through.p99 - without.p99,
        'added p99.9 ms': through.p999 - without.p999,
        'p50 ms': through.p50,
        'direct p50 ms': without.p50,
      },
    })
  })
}

/** The proxies that answer after a server has; vmagent answers before. */
function othersFor({ subjects, options }: Lab, kind: Kind): readonly Subject[] {
  if (options.quick || kind === 'influxd') return []
  return subjects.filter(({ name }) => name === 'haproxy' || name === 'nginx-mirror')
}

/** Runs once to warm up, and once to measure. */
async function highestRate(url: string): Promise<number> {
  await send(url, LOAD, 1)
  const { requests, seconds } = await send(url, LOAD, 1)
  return requests / seconds
}

async function pace(url: string, rate: number, seconds: number): Promise<Paced> {
  const port = Number(new URL(url).port)
  return (await runScript('paced.ts', [port, Math.floor(rate), seconds, CONNECTIONS])) as Paced
}
