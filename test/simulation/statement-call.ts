/** One statement on its way to a simulated server: `q=DELETE FROM s17 WHERE time < now()`. */

import type { FetchRequest } from '../../src/runtime.ts'
import { type QueryCallOptions, responseOf } from './query-call.ts'

const DONE = { results: [{ statement_id: 0 }] }
const TIMEOUT = { results: [{ statement_id: 0, error: 'timeout' }] }

/** The number of a statement; undefined if a form has a query that reads. */
export function statementNumberOf(form: Uint8Array | undefined): number | undefined {
  const q = new URLSearchParams(new TextDecoder().decode(form)).get('q')
  const [, number] = /^DELETE FROM s(\d+) /.exec(q ?? '') ?? []
  return number === undefined ? undefined : Number(number)
}

/** @param execute called each time that the server executes the statement */
export function callStatement(
  { signal }: FetchRequest,
  { world, server, caller, isLost }: QueryCallOptions,
  execute: () => void,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    if (caller.isDead) return
    let isOver = false
    let hasArrived = false
    const latency = () => (world.chance(0.1) ? world.between(5, 80) : world.between(0.1, 3))
    const run = () => {
      hasArrived = true
      execute()
    }
    const fail = (message: string) => {
      if (!isOver && !caller.isDead) reject(new Error(message))
      isOver = true
    }
    const answer = (status: number, result: unknown) => {
      hasArrived = true
      world.after(latency(), () => {
        if (!isOver && !caller.isDead) resolve(responseOf(status, result))
        isOver = true
      })
    }
    const arrive = () => {
      if (isOver) return
      const { state } = server
      if (state === 'down') fail('connect ECONNREFUSED')
      else if (state === 'stalled') server.whenChanged(arrive)
      else if (state === 'busy') answer(503, { error: 'busy' })
      else if (state === 'well' || state === 'empty') {
        run()
        answer(200, DONE)
      } else if (state === 'failing') {
        if (world.chance(0.5)) run()
        if (world.chance(0.5)) answer(500, { error: 'timeout' })
        else answer(200, TIMEOUT)
      } else {
        if (world.chance(0.7)) run()
        world.after(latency(), () => fail('ECONNRESET'))
      }
    }
    /** The process aborts the request, which reaches the server now or never. */
    const abort = () => {
      if (isOver) return
      if (!hasArrived && server.state !== 'down' && world.chance(0.5)) run()
      fail('aborted')
    }
    signal.addEventListener('abort', abort)
    caller.onDeath(abort)
    if (!isLost) world.after(latency(), arrive)
  })
}
