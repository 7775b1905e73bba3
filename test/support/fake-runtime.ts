/** A runtime for tests: time moves only by `advance`, and backends are functions. */

import { gunzip, gzip } from '../../src/platform/gzip.ts'
import type { Fetch, Runtime } from '../../src/runtime.ts'
import { PoisoningPool } from './poisoning-pool.ts'

/** A request as a backend sees it. */
export interface Received {
  readonly url: string
  readonly query: URLSearchParams
  readonly headers: Record<string, string>
  readonly body: string
}

/** Answers a request, at once or later, or throws a network error. */
export type Handler = (request: Received) => Response | Promise<Response>

interface Timer {
  readonly at: number
  readonly callback: () => void
}

/** A clock that moves only by `advance`. */
export class FakeClock {
  private time = 0
  private readonly timers = new Set<Timer>()
  /** Nanoseconds since the epoch at time 0. */
  epoch = 1_700_000_000_000_000_000n

  readonly now = () => this.time
  readonly wallNanoseconds = () => this.epoch + BigInt(Math.round(this.time * 1e6))
  readonly after = (delayMs: number, callback: () => void) => {
    const timer = { at: this.time + delayMs, callback }
    this.timers.add(timer)
    return () => this.timers.delete(timer)
  }

  /** Moves the clock by `ms` and runs the timers that are due. */
  async advance(ms: number): Promise<void> {
    const end = this.time + ms
    await settle()
    for (let timer = this.due(end); timer; timer = this.due(end)) {
      this.time = Math.max(this.time, timer.at)
      this.timers.delete(timer)
      timer.callback()
      await settle()
    }
    this.time = end
  }

  private due(end: number): Timer | undefined {
    return [...this.timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0]
  }
}

/**
 * Resolves when all code has run that needs no time to pass. Timers would wait for a millisecond in
 * each turn, for most of the time that tests with thousands of relays take.
 */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve))
}

export interface FakeRuntime extends Runtime {
  readonly clock: FakeClock
  readonly log: string[]
  /** The requests to each backend, in order, by host name. */
  readonly received: Map<string, Received[]>
}

/** @param handlers by host name: `{ a: … }` is the backend at `http://a/write` */
export function createFakeRuntime(handlers: Record<string, Handler>): FakeRuntime {
  const received = new Map<string, Received[]>(Object.keys(handlers).map((name) => [name, []]))
  const log: string[] = []
  const fetch: Fetch = async (url, { headers, body, signal }) => {
    const { host, searchParams: query } = new URL(url)
    const request = { url, query, headers, body: new TextDecoder().decode(body) }
    received.get(host)?.push(request)
    const handler = handlers[host]
    if (!handler) throw new Error(`connect ECONNREFUSED ${host}`)
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(new Error('aborted')))
    })
    aborted.catch(() => {})
    return Promise.race([handler(request), aborted])
  }
  return {
    clock: new FakeClock(),
    buffers: new PoisoningPool(),
    createFetch: () => fetch,
    createStreamingFetch: () => fetch,
    gunzip,
    gzip,
    writeLog: (line) => log.push(line),
    log,
    received,
  }
}

export const stored = () => new Response(null, { status: 204 })

/** An error as influxd words it. */
export const answer = (status: number, error: string, headers: Record<string, string> = {}) =>
  new Response(`${JSON.stringify({ error })}\n`, {
    status,
    headers: { 'content-type': 'application/json', 'x-influxdb-error': error, ...headers },
  })

/** A backend that refuses connections. */
export const refused = (): never => {
  throw new Error('connect ECONNREFUSED')
}

/** A backend that never answers. */
export const silence = () => new Promise<Response>(() => {})

/** A backend that answers when the test says so. */
export function later() {
  const waiting: ((response: Response) => void)[] = []
  return {
    handler: () => new Promise<Response>((resolve) => waiting.push(resolve)),
    /** Answers the oldest unanswered request. */
    async respond(response: Response) {
      waiting.shift()?.(response)
      await settle()
    },
    get waiting() {
      return waiting.length
    },
  }
}
