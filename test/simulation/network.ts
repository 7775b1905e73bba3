/** What lies between a relay and its servers: time, and everything that can go wrong on the way. */

import type { Fetch } from '../../src/runtime.ts'
import type { Reply, SimulatedInfluxDB } from './simulated-influxdb.ts'
import type { World } from './world.ts'

/** The process at the near end of connections. */
export interface Caller {
  readonly isDead: boolean
  /** Calls back when the process ends. */
  onDeath(callback: () => void): void
}

export class Network {
  private readonly world: World
  private readonly servers: ReadonlyMap<string, SimulatedInfluxDB>

  constructor(world: World, servers: readonly SimulatedInfluxDB[]) {
    this.world = world
    this.servers = new Map(servers.map((server) => [server.name, server]))
  }

  fetchFor(caller: Caller): Fetch {
    return (url, { body = new Uint8Array(0), signal }) => {
      const { host, searchParams } = new URL(url)
      const server = this.servers.get(host)
      if (!server) throw new Error(`no server ${host}`)
      return new Promise((resolve, reject) => {
        if (caller.isDead) return
        const text = new TextDecoder().decode(body)
        const request = new Call(this.world, server, searchParams, text, caller, resolve, reject)
        signal.addEventListener('abort', () => request.abort())
        request.start()
      })
    }
  }
}

/** One request, which reaches the server once or never, and ends once. */
class Call {
  private readonly world: World
  private readonly server: SimulatedInfluxDB
  private readonly query: URLSearchParams
  private readonly body: string
  private readonly caller: Caller
  private readonly resolve: (response: Response) => void
  private readonly reject: (error: Error) => void
  private hasArrived = false
  private isOver = false

  constructor(
    world: World,
    server: SimulatedInfluxDB,
    query: URLSearchParams,
    body: string,
    caller: Caller,
    resolve: (response: Response) => void,
    reject: (error: Error) => void,
  ) {
    this.world = world
    this.server = server
    this.query = query
    this.body = body
    this.caller = caller
    this.resolve = resolve
    this.reject = reject
  }

  start(): void {
    this.caller.onDeath(() => this.abort())
    this.world.after(this.latency(), () => this.arrive())
  }

  /**
   * The near end goes away. What was on its way reaches the server now or never: a request that is
   * delayed past its own timeout and overtaken by later ones is beyond what a relay can guard against.
   */
  abort(): void {
    if (this.isOver) return
    if (!this.hasArrived && this.server.mood !== 'down' && this.world.chance(0.5)) this.write()
    this.fail('aborted')
  }

  private arrive(): void {
    if (this.isOver) return
    const { mood } = this.server
    if (mood === 'down') this.fail('connect ECONNREFUSED')
    else if (mood === 'stalled') this.server.whenChanged(() => this.arrive())
    else if (mood === 'busy') this.answer({ status: 503, error: 'busy', retryAfter: '2' })
    else if (mood === 'failing') this.failInside()
    else if (mood === 'flaky') this.loseConnection()
    else this.answer(this.write())
  }

  private failInside(): void {
    if (this.world.chance(0.5)) this.write()
    this.answer({ status: 500, error: 'timeout' })
  }

  private loseConnection(): void {
    const reply = this.world.chance(0.7) ? this.write() : undefined
    if (reply && this.world.chance(0.3)) this.answer(reply)
    else this.world.after(this.latency(), () => this.fail('ECONNRESET: connection lost'))
  }

  private write(): Reply {
    this.hasArrived = true
    const database = this.query.get('db') ?? ''
    const reply = this.server.write(database, this.query.get('rp') ?? '', this.body)
    const lines = this.body.trim().replaceAll('\n', ' | ')
    this.world.log(`${this.server.name} ${database} ${reply.status} ${lines}`)
    return reply
  }

  private answer(reply: Reply): void {
    this.hasArrived = true
    this.world.after(this.latency(), () => {
      if (this.isOver) return
      this.isOver = true
      if (!this.caller.isDead) this.resolve(responseOf(reply))
    })
  }

  private fail(message: string): void {
    if (this.isOver) return
    this.isOver = true
    if (!this.caller.isDead) this.reject(new Error(message))
  }

  /** Most answers come at once, some take long. */
  private latency(): number {
    return this.world.chance(0.1) ? this.world.between(5, 80) : this.world.between(0.1, 3)
  }
}

/** The part of a Response that the relay looks at: real ones take most of the simulation's time. */
function responseOf({ status, error, retryAfter }: Reply): Response {
  const headers: Record<string, string | undefined> = {
    'x-influxdb-error': error,
    'retry-after': retryAfter,
  }
  const body = new TextEncoder().encode(error === undefined ? '' : JSON.stringify({ error }))
  const response: Pick<Response, 'status' | 'arrayBuffer'> & { headers: Pick<Headers, 'get'> } = {
    status,
    headers: { get: (name) => headers[name] ?? null },
    arrayBuffer: async () => body.buffer,
  }
  return response as Response
}
