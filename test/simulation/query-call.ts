/** One query on its way to a simulated server. It comes as a form: `q=SELECT q17 FROM m`. */

import type { FetchRequest } from '../../src/runtime.ts'
import type { Caller } from './network.ts'
import type { SimulatedInfluxDB } from './simulated-influxdb.ts'
import type { World } from './world.ts'

export interface QueryCallOptions {
  readonly world: World
  readonly server: SimulatedInfluxDB
  readonly caller: Caller
  readonly isLost: boolean
  /** A server runs the query of a number. */
  onRun(server: SimulatedInfluxDB, number: number): void
}

export function callQuery(
  { body, signal }: FetchRequest,
  { world, server, caller, isLost, onRun }: QueryCallOptions,
): Promise<Response> {
  const form = new URLSearchParams(new TextDecoder().decode(body))
  const [, number] = /q(\d+)/.exec(form.get('q') ?? '') ?? []
  return new Promise((resolve, reject) => {
    let isOver = false
    const fail = (message: string) => {
      if (!isOver && !caller.isDead) reject(new Error(message))
      isOver = true
    }
    const answer = (status: number, result: unknown) =>
      world.after(latency(world), () => {
        if (!isOver && !caller.isDead) resolve(responseOf(status, result))
        isOver = true
      })
    const arrive = () => {
      if (isOver) return
      const { state } = server
      if (state === 'down') fail('connect ECONNREFUSED')
      else if (state === 'stalled') server.whenChanged(arrive)
      else if (state === 'busy' || state === 'failing') answer(503, { error: state })
      else if (state === 'flaky') fail('ECONNRESET')
      else if (state === 'empty') {
        answer(200, {
          results: [{ statement_id: 0, error: `database not found: ${form.get('db')}` }],
        })
      } else {
        onRun(server, Number(number))
        answer(200, { results: [{ statement_id: 0, series: [{ name: server.name }] }] })
      }
    }
    signal.addEventListener('abort', () => fail('aborted'))
    if (!isLost) world.after(latency(world), arrive)
  })
}

/** The response of a server to a query. */
export function responseOf(status: number, result: unknown): Response {
  const headers = { 'content-type': 'application/json' }
  return new Response(`${JSON.stringify(result)}\n`, { status, headers })
}

function latency(world: World): number {
  return world.chance(0.1) ? world.between(5, 80) : world.between(0.1, 3)
}
