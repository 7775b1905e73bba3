/** How much longer a write takes than one straight to the server, at half of what can be carried. */

import { run } from '../test/real/cache.ts'
import type { Kind } from './backends.ts'
import type { Lab, Part } from './lab.ts'
import { send } from './load.ts'
import { here } from './paths.ts'
import type { Subject } from './subjects.ts'

const CONNECTIONS = 64
const LOAD = { shape: { points: 1, timestamps: true }, connections: CONNECTIONS }

interface Paced {
  readonly rate: number
  readonly p50: number
  readonly p99: number
  readonly p999: number
}

/** One-point writes at an even rate, by a generator of our own: wrk knows no rates. */
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
  const arms: { subject: Subject; url: string; rate: number }[] = []
  for (const subject of [...othersFor(lab, kind), ...lab.someRelays]) {
    await lab.attempt(async () => {
      const { url } = await lab.running(subject, kind)
      arms.push({ subject, url, rate: Math.min(most, await highestRate(url)) / 2 })
    })
  }
  await lab.rounds(arms, async ({ subject, url, rate }, round) => {
    const without = await pace(straight.url, rate, lab.options.seconds)
    const through = await pace(url, rate, lab.options.seconds)
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

/** Those that answer when a server has; vmagent answers before. */
function othersFor({ subjects, options }: Lab, kind: Kind): readonly Subject[] {
  if (options.quick || kind === 'influxd') return []
  return subjects.filter(({ name }) => name === 'haproxy' || name === 'nginx-mirror')
}

/** Once to warm up, once to know. */
async function highestRate(url: string): Promise<number> {
  await send(url, LOAD, 1)
  const { requests, seconds } = await send(url, LOAD, 1)
  return requests / seconds
}

/** In a process of its own, which does nothing else. */
async function pace(url: string, rate: number, seconds: number): Promise<Paced> {
  const { port } = new URL(url)
  const numbers = [port, Math.floor(rate), seconds, CONNECTIONS].map(String)
  return JSON.parse(await run(process.execPath, [`${here}/paced.ts`, ...numbers])) as Paced
}
