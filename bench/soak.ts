/** Memory under load for many minutes, which must stay flat. */

import { setTimeout as delay } from 'node:timers/promises'
import type { Lab, Part } from './lab.ts'
import { type Load, send } from './load.ts'
import { firstAndLastThird } from './samples.ts'
import { during } from './service.ts'
import type { Running, Subject } from './subjects.ts'
import { peakMb, resetPeak, residentMb } from './usage.ts'

export const SOAK = 'soak'

const SAMPLE_MS = 2000

/** Small writes and large ones, at the same time. */
const LOADS: readonly Load[] = [
  { shape: { points: 1, timestamps: true }, connections: 64 },
  { shape: { points: 5000, timestamps: false }, connections: 2 },
]

/** The longest run of wrk, so that a failure is seen soon. */
const TURN_SECONDS = 30

/** Runs only with --soak. */
export const soak: Part = {
  name: SOAK,
  title: 'Memory under a long load',
  async run(lab) {
    const backends = await lab.backends('null')
    for (const relay of lab.relays) {
      await lab.attempt(`${relay.name}, soak`, async () => {
        const running = await relay.start(backends)
        await during(running, () => soakOne(lab, relay, running))
      })
    }
  },
}

async function soakOne(lab: Lab, relay: Subject, running: Running): Promise<void> {
  const seconds = lab.options.soak ?? 0
  const pid = running.pid as number
  console.log(`         ${relay.name}: ${seconds} s of load`)
  const work = load(running.url, seconds)
  const megabytes: number[] = []
  resetPeak(pid)
  for (let watching = true; watching; ) {
    watching = await Promise.race([work.then(() => false), delay(SAMPLE_MS, true)])
    megabytes.push(residentMb(pid))
  }
  const [first, last] = firstAndLastThird(megabytes)
  lab.record({
    part: SOAK,
    setting: 'null',
    subject: relay.name,
    round: 1,
    figures: {
      seconds,
      'requests/s': (await work) / seconds,
      'first third MB': first,
      'last third MB': last,
      'last third / first': last / first,
      'peak MB': peakMb(pid),
    },
  })
}

/** Returns the number of writes. */
async function load(url: string, seconds: number): Promise<number> {
  let requests = 0
  for (let left = seconds; left > 0; left -= TURN_SECONDS) {
    const turn = Math.min(left, TURN_SECONDS)
    const seen = await Promise.all(LOADS.map((one) => send(url, one, turn)))
    requests += seen.reduce((sum, one) => sum + one.requests, 0)
  }
  return requests
}
