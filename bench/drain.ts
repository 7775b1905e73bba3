/** A server comes back: how fast the relay drains its backlog, and how clients fare meanwhile. */

import { setTimeout as delay } from 'node:timers/promises'
import { NullBackend } from './backends.ts'
import { deadBackend } from './faults.ts'
import type { Lab, Part } from './lab.ts'
import { send } from './load.ts'
import { meanBytes } from './requests.ts'
import { during } from './service.ts'
import type { RelayKeys, Subject } from './subjects.ts'

const LOAD = { shape: { points: 1, timestamps: true }, connections: 64 }
const DRAIN_LIMIT_MS = 60_000

/** With fewer batches the rate means little. */
const FEWEST_BATCHES = 3

/** The resolution of times in the servers' logs. */
const CLOCK_SECONDS = 0.001

/** Retries are frequent, so that the drain begins soon. */
const OUTPUT = { 'buffer-size-mb': 4096, 'max-delay-interval': '500ms' }

const BUFFERS = {
  memory: { output: OUTPUT },
  disk: { onDisk: true, output: OUTPUT },
} as const

export const drainSetting = (buffer: string) => `null, ${buffer} buffer`

/** One-point writes, 64 connections. */
export const drain: Part = {
  name: 'drain',
  title: 'A server that comes back',
  async run(lab) {
    await lab.rounds(armsOf(lab), async ({ relay, buffer, setting }, round) => {
      const figures = await measureDrain(lab, relay, BUFFERS[buffer])
      lab.record({ part: 'drain', setting, subject: relay.name, round, figures })
    })
  },
}

function armsOf({ someRelays, distinctRelays, options }: Lab) {
  const arm = (relay: Subject, buffer: keyof typeof BUFFERS) => {
    const setting = drainSetting(buffer)
    return { name: `${relay.name}, drain, ${setting}`, relay, buffer, setting }
  }
  const memory = distinctRelays.map((relay) => arm(relay, 'memory'))
  const disk = someRelays.filter(({ isOurs }) => isOurs).map((relay) => arm(relay, 'disk'))
  const arms = [...memory, ...disk]
  if (!options.quick) return arms
  // The last arm of each relay.
  return [...new Map(arms.map((one) => [one.relay, one])).values()]
}

async function measureDrain(lab: Lab, relay: Subject, keys: RelayKeys) {
  return during(await NullBackend.start({ countsBytes: true }), async (first) => {
    const dead = await deadBackend()
    return during(await relay.start([first, dead], keys), ({ url }) =>
      measureOutages(lab, url, first, dead.port),
    )
  })
}

/** The second server is down, back, down again, and back under load. */
async function measureOutages({ options }: Lab, url: string, first: NullBackend, port: number) {
  const { seconds, quick } = options
  if (!quick) await send(url, LOAD, 1)
  const written = await send(url, LOAD, seconds)
  const rate = written.requests / written.seconds
  const drained = await during(await NullBackend.start({ port, countsBytes: true }), (back) =>
    drainRate(first, back),
  )
  await send(url, LOAD, seconds)
  const meanwhile = await during(await NullBackend.start({ port }), () => send(url, LOAD, seconds))
  return {
    'requests/s while down': rate,
    ...(drained !== undefined && {
      'points/s drained': drained,
      'drained / written': drained / rate,
    }),
    'requests/s while draining': meanwhile.requests / meanwhile.seconds,
    'p99 ms while draining': meanwhile.p99,
  }
}

/**
 * Waits until the returned server has as many bytes as the other one.
 *
 * @returns points a second; undefined if there were too few batches
 */
async function drainRate(first: NullBackend, back: NullBackend): Promise<number | undefined> {
  const wanted = total(await settled(first))
  const deadline = performance.now() + DRAIN_LIMIT_MS
  let got = await back.bodies()
  while (total(got) < wanted * 0.999) {
    if (performance.now() > deadline) throw new Error('the backlog does not drain')
    await delay(20)
    got = await back.bodies()
  }
  // Logs have the end of each request only, so the first batch has no known start.
  const [begin, ...rest] = got
  if (rest.length < FEWEST_BATCHES) return undefined
  const seconds = (rest.at(-1)?.seconds ?? Number.NaN) - (begin?.seconds ?? Number.NaN)
  const pointBytes = meanBytes(LOAD.shape) + 1 // the end of the line is added when writes are joined
  return total(rest) / pointBytes / Math.max(seconds, CLOCK_SECONDS)
}

type Bodies = Awaited<ReturnType<NullBackend['bodies']>>

const total = (bodies: Bodies) => bodies.reduce((sum, { bytes }) => sum + bytes, 0)

/** All bodies that a server has got, once no more arrive. */
async function settled(backend: NullBackend): Promise<Bodies> {
  for (let before = -1; ; ) {
    const bodies = await backend.bodies()
    if (bodies.length === before) return bodies
    before = bodies.length
    await delay(100)
  }
}
