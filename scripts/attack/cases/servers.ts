/** Servers that answer with something that may harm a relay. */

import { setTimeout as delay } from 'node:timers/promises'
import type { Case } from '../case.ts'
import { crowd, post, request, tally, WRITE } from '../connection.ts'
import type { Behaviour } from '../hostile-server.ts'

const BEHAVIOURS: readonly (readonly [Behaviour, string])[] = [
  ['garbage', 'garbage'],
  ['endless-head', 'a head that never ends'],
  ['endless-body', 'an error that never ends'],
  ['drip', 'a head, byte by byte'],
  ['large-error', 'an error of 10 MB'],
  ['one-byte-chunks', 'an error of 8 MB in chunks of 1 byte'],
  ['gzip-bomb', 'an error of 1 MB of gzip that inflates to 1 GB'],
]

const ROUNDS = 2
/** Gives a lasting answer the time to do harm. */
const PAUSE_MS = 600

export const hostileServers: readonly Case[] = BEHAVIOURS.map(([behaviour, what]) => ({
  name: `server-${behaviour}`,
  title: `one of two servers answers the writes of 20 clients with ${what}`,
  servers: (servers) => servers.realAndHostile(behaviour),
  keys: () => ({ output: { timeout: '2s' } }),
  async attack({ port }) {
    const outcomes: string[] = []
    for (let round = 0; round < ROUNDS; round++) {
      const body = `m v=1 ${round}`
      outcomes.push(...(await crowd(20, 20, () => request(port, post(WRITE, body)))))
      await delay(PAUSE_MS)
    }
    return tally(outcomes)
  },
}))
