/** One request of a relay to another relay. */

import type { FetchRequest } from '../../src/runtime.ts'
import type { Caller } from './network.ts'
import type { RelayProcess } from './relay-process.ts'
import type { World } from './world.ts'

/** A machine on which a relay may run. */
export interface PeerHost {
  /** The relay, unless it is down. */
  readonly process: RelayProcess | undefined
  /** The longest that the network between the relays takes, ms. */
  readonly slownessMs: number
}

interface PeerCallOptions {
  readonly world: World
  readonly peer: PeerHost
  readonly caller: Caller
}

export function callPeer(
  url: string,
  request: FetchRequest,
  { world, peer, caller }: PeerCallOptions,
): Promise<Response> {
  const { pathname, search } = new URL(url)
  const travel = () =>
    world.sleep(world.chance(0.1) ? world.between(5, peer.slownessMs) : world.between(0.1, 3))
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => {
      if (!caller.isDead) reject(error)
    }
    const ask = async () => {
      await travel()
      if (!peer.process) throw new Error('connect ECONNREFUSED')
      const asked = peer.process
      const response = await asked.answerPeer(pathname + search, request)
      await travel()
      if (asked.isDead) throw new Error('ECONNRESET')
      if (!caller.isDead) resolve(response)
    }
    request.signal.addEventListener('abort', () => fail(new Error('aborted')))
    ask().catch(fail)
  })
}
