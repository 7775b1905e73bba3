/** Servers that answer with something that may harm a relay. */

import type { Case } from '../case.ts'
import { crowd, post, request, tally } from '../connection.ts'
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

export const hostileServers: readonly Case[] = BEHAVIOURS.map(([behaviour, what]) => ({
  name: `server-${behaviour}`,
  title: `one of two servers answers the writes of 20 clients with ${what}`,
  servers: (servers) => servers.realAndHostile(behaviour),
  keys: () => ({ output: { timeout: '2s' } }),
  attack: async ({ port }) =>
    tally(await crowd(20, 20, (i) => request(port, post('/write?db=attack', `m v=1 ${i}`)))),
}))
