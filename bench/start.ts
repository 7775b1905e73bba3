/** How soon a relay takes writes after its start, and what memory it then has without any. */

import { setTimeout as delay } from 'node:timers/promises'
import type { Part } from './lab.ts'
import { residentMb } from './usage.ts'

const SETTLE_MS = 1000

export const startUp: Part = {
  name: 'start',
  title: 'Start-up time and idle memory',
  async run(lab) {
    const backends = await lab.backends('null')
    await lab.rounds(lab.relays, async (relay, round) => {
      const running = await relay.start(backends)
      await delay(SETTLE_MS)
      const idle = running.pid === undefined ? Number.NaN : residentMb(running.pid)
      lab.record({
        part: 'start',
        setting: 'null',
        subject: relay.name,
        round,
        figures: { 'start-up ms': running.startMs, 'idle MB': idle },
      })
      await running.stop()
    })
  },
}
