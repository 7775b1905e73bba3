/** A server comes back: how fast it gets what it missed, and what its clients notice meanwhile. */

import { setTimeout as delay } from 'node:timers/promises'
import { NullBackend } from './backends.ts'
import { deadBackend } from './faults.ts'
import type { Lab, Part } from './lab.ts'
import { send } from './load.ts'
import { meanBytes } from './requests.ts'
import type { RelayKeys, Subject } from './subjects.ts'

const LOAD = { shape: { points: 1, timestamps: true }, connections: 64 }
const DRAIN_LIMIT_MS = 60_000

/** A rate of fewer would be one of chance. */
const FEWEST_BATCHES = 3

/** Of the time of a request in the servers' logs. */
const CLOCK_SECONDS = 0.001

/** Attempts at the dead server go on often enough not to be waited for. */
const OUTPUT = { 'buffer-size-mb': 4096, 'max-delay-interval': '500ms' }

const BUFFERS: Readonly<Record<string, RelayKeys>> = {
  memory: { output: OUTPUT },
  disk: { onDisk: true, output: OUTPUT },
}

export const drainSetting = (buffer: string) => `null, ${buffer} buffer`

/** One-point writes, 64 connections. */
export const drain: Part = {
  name: 'drain',
  title: 'A server that comes back',
  async run(lab) {
    const memory = lab.distinctRelays.map((relay) => ({ relay, buffer: 'memory' }))
    const ours = lab.someRelays.filter(({ isOurs }) => isOurs)
    const arms = [...memory, ...ours.map((relay) => ({ relay, buffer: 'disk' }))]
    await lab.rounds(
      lab.options.quick ? arms.slice(-1) : arms,
      async ({ relay, buffer }, round) => {
        const figures = await measureDrain(lab, relay, BUFFERS[buffer] ?? {})
        const setting = drainSetting(buffer)
        lab.record({ part: 'drain', setting, subject: relay.name, round, figures })
      },
    )
  },
}

async function measureDrain(lab: Lab, relay: Subject, keys: RelayKeys) {
  const { seconds, quick } = lab.options
  const first = await NullBackend.start({ countsBytes: true })
  const dead = await deadBackend()
  const running = await relay.start([first, dead], keys)
  try {
    if (!quick) await send(running.url, LOAD, 1)
    const written = await send(running.url, LOAD, seconds)
    const rate = written.requests / written.seconds
    const back = await NullBackend.start({ port: dead.port, countsBytes: true })
    const drained = await drainRate(first, back)
    await back.stop()
    await send(running.url, LOAD, seconds)
    const again = await NullBackend.start({ port: dead.port })
    const meanwhile = await send(running.url, LOAD, seconds)
    await again.stop()
    return {
      'requests/s while down': rate,
      ...(drained !== undefined && {
        'points/s drained': drained,
        'drained / written': drained / rate,
      }),
      'requests/s while draining': meanwhile.requests / meanwhile.seconds,
      'p99 ms while draining': meanwhile.p99,
    }
  } finally {
    await Promise.all([running.stop(), first.stop()])
  }
}

/**
 * Waits until a server that is back has as many bytes as the other one.
 *
 * @returns points a second; undefined if there were too few batches to tell
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
  // The first batch began before the first second that is known, that of its end.
  const [begin, ...rest] = got
  if (rest.length < FEWEST_BATCHES) return undefined
  const seconds = (rest.at(-1)?.seconds ?? Number.NaN) - (begin?.seconds ?? Number.NaN)
  const pointBytes = meanBytes(LOAD.shape) + 1 // the end of the line is added when writes are joined
  return total(rest) / pointBytes / Math.max(seconds, CLOCK_SECONDS)
}

type Bodies = Awaited<ReturnType<NullBackend['bodies']>>

const total = (bodies: Bodies) => bodies.reduce((sum, { bytes }) => sum + bytes, 0)

/** Everything that a server has got, once nothing more comes. */
async function settled(backend: NullBackend): Promise<Bodies> {
  for (let before = -1; ; ) {
    const bodies = await backend.bodies()
    if (bodies.length === before) return bodies
    before = bodies.length
    await delay(100)
  }
}
