/** The steps of the demo. */

import { setTimeout as delay } from 'node:timers/promises'
import type { Progress, Watched } from './progress.ts'
import type { Relay } from './relay.ts'
import { figure } from './table.ts'
import type { Given, Writers } from './writers.ts'

const UP_MS = 5_000
const DOWN_MS = 8_000
const UP_AGAIN_MS = 3_000

/** Everything that takes part. */
export interface Cast {
  readonly servers: readonly [Watched, Watched]
  readonly relay: Relay
  readonly writers: Writers
  readonly progress: Progress
}

export interface Step {
  readonly title: string
  /** Returns a remark on its result. */
  readonly run: (cast: Cast) => Promise<string>
}

export const STEPS: readonly Step[] = [
  { title: 'Both servers are up', run: bothUp },
  { title: 'Server 2 is killed; the clients go on writing', run: secondDown },
  { title: 'Server 2 starts again and gets what it missed', run: secondBack },
  { title: 'The clients stop, then the relay', run: end },
]

async function bothUp({ writers }: Cast): Promise<string> {
  writers.start()
  await delay(UP_MS)
  return answers(writers.given)
}

async function secondDown({ servers: [, second], writers }: Cast): Promise<string> {
  const before = writers.given
  await second.kill()
  await delay(DOWN_MS)
  return answers(writers.given, before)
}

async function secondBack({ servers: [, second], writers, progress }: Cast): Promise<string> {
  const before = writers.given
  await second.start()
  const began = performance.now()
  const level = await progress.untilLevel(second)
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  await delay(UP_AGAIN_MS)
  return `${level ? `level ${seconds} s later` : 'still behind'}; ${answers(writers.given, before)}`
}

async function end({ servers, relay, writers, progress }: Cast): Promise<string> {
  await writers.stop()
  for (const server of servers) await progress.untilLevel(server)
  await relay.stop()
  return 'the relay was sent SIGTERM and ended with code 0'
}

/** The answers that clients got since a moment. */
function answers(now: Given, before?: Given): string {
  const acknowledged = now.acknowledgedWrites - (before?.acknowledgedWrites ?? 0)
  const failed = now.failedWrites - (before?.failedWrites ?? 0)
  if (failed === 0) return `${figure(acknowledged)} writes by HTTP, all answered 204`
  return `${figure(failed)} of ${figure(acknowledged + failed)} writes by HTTP failed`
}
