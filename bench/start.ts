/** The time from a relay's start to its first answer, and its memory at rest. */

import { setTimeout as delay } from 'node:timers/promises'
import type { Part } from './lab.ts'
import { during } from './service.ts'
import { residentMb } from './usage.ts'

const SETTLE_MS = 1000

export const startUp: Part = {
  name: 'start',
  title: 'Start-up time and idle memory',
  async run(lab) {
    const backends = await lab.backends('null')
    const arms = lab.relays.map((relay) => ({ name: `${relay.name}, start`, relay }))
    await lab.rounds(arms, async ({ relay }, round) => {
      const figures = await during(await relay.start(backends), async ({ startMs, pid }) => {
        await delay(SETTLE_MS)
        const idle = pid === undefined ? Number.NaN : residentMb(pid)
        return { 'start-up ms': startMs, 'idle MB': idle }
      })
      lab.record({ part: 'start', setting: 'null', subject: relay.name, round, figures })
    })
  },
}
