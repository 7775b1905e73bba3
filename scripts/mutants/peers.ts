/** Deliberate bugs in what relays tell each other. */

import type { Mutant } from './mutant.ts'

const STALE =
  'a query is answered by a server that lacks what another relay has acknowledged, and the answer does not say so'

export const PEERS: readonly Mutant[] = [
  {
    name: 'peers: only the own word counts',
    breaks: STALE,
    file: 'peers/reading.ts',
    find: 'return this.parts.every(({ isComplete }) => isComplete)',
    replace: 'return this.parts[0]?.isComplete === true',
  },
  {
    name: 'peers: a write is acknowledged before they know that it is kept',
    breaks: STALE,
    file: 'relay/fan-out.ts',
    find: 'if (telling) void telling.then(() => this.respond(this.success))',
    replace: 'if (telling) this.respond(this.success)',
  },
  {
    name: 'peers: what is on disk is not kept',
    breaks: STALE,
    file: 'query/read-server.ts',
    find: '!reading.hasGap && this.outputs.every(({ queue }) => queue.keptBytes === 0)',
    replace: '!reading.hasGap',
  },
  {
    name: 'peers: are told once that something is kept, and never again',
    breaks: STALE,
    file: 'peers/peers.ts',
    find: 'this.told.delete(output)',
    replace: '',
  },
  {
    name: 'peers: confirm before they have asked',
    breaks: STALE,
    file: 'peers/peers.ts',
    find: `const report = await peer.refresh()
      if (report?.relay !== relay)`,
    replace: `void peer.refresh()
      if (relay === '')`,
  },
  {
    name: 'peers: one that was never heard of keeps nothing',
    breaks: STALE,
    file: 'peers/peer-reading.ts',
    find: 'this.peer.reportOf(this.output)?.isComplete === true',
    replace: 'this.peer.reportOf(this.output)?.isComplete !== false',
  },
]
