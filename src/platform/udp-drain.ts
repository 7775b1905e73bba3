/** Reads what the system has received for a socket before the socket is closed. */

import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises'

/** The longest that it takes, if datagrams keep coming. */
const MAX_MS = 1000

const STEP_MS = 5

/** Resolves once no datagram has come for a while, or too many have. */
export async function untilQuiet(received: () => number): Promise<void> {
  const end = performance.now() + MAX_MS
  let before: number
  do {
    before = received()
    await delay(STEP_MS)
    // A timer may be late, and run before the sockets are read: in the second turn they have been.
    await nextTurn()
    await nextTurn()
  } while (received() !== before && performance.now() < end)
}
