/** The network between the relay and its servers: delays, broken connections, lost requests. */

import { gunzipSync } from 'node:zlib'
import type { Fetch } from '../../src/runtime.ts'
import { callPeer, type PeerHost } from './peer-call.ts'
import { linesOf, type Target } from './points.ts'
import { callQuery } from './query-call.ts'
import type { Reply, SimulatedInfluxDB } from './simulated-influxdb.ts'
import { callStatement, statementNumberOf } from './statement-call.ts'
import type { Observer } from './witness.ts'
import type { World } from './world.ts'

/** The process that opens connections. */
export interface Caller {
  readonly isDead: boolean
  /** Calls back when the process ends. */
  onDeath(callback: () => void): void
}

export class Network {
  private readonly world: World
  private readonly witness: Observer
  private readonly servers: ReadonlyMap<string, SimulatedInfluxDB>
  private lossiness: number
  /** Relays that ask each other, by host. */
  readonly peers = new Map<string, PeerHost>()
  /** Called when a server runs the query of a number. */
  onQuery: (server: SimulatedInfluxDB, number: number) => void = () => {}

  /** @param lossiness the share of requests that are lost */
  constructor(
    world: World,
    witness: Observer,
    servers: readonly SimulatedInfluxDB[],
    lossiness: number,
  ) {
    this.world = world
    this.lossiness = lossiness
    this.witness = witness
    this.servers = new Map(servers.map((server) => [server.name, server]))
  }

  /** Ends the loss of requests. */
  endFaults(): void {
    this.lossiness = 0
  }

  queriesFor(caller: Caller): Fetch {
    const { world } = this
    return (url, request) => {
      const server = this.servers.get(new URL(url).host)
      if (!server) throw new Error(`no server at ${url}`)
      const isLost = world.chance(this.lossiness)
      const statement = statementNumberOf(request.body)
      if (statement !== undefined) {
        const database = new URL(url).searchParams.get('db') ?? ''
        const onRun = () => {}
        const text = new TextDecoder().decode(request.body)
        return callStatement(request, { world, server, caller, isLost, onRun }, () => {
          world.log(`${server.name} executes statement ${statement}`)
          server.executed.add(statement)
          this.witness.barriers.executes(server.name, database, statement, text)
        })
      }
      const onRun = (one: SimulatedInfluxDB, number: number) => this.onQuery(one, number)
      return callQuery(request, { world, server, caller, isLost, onRun })
    }
  }

  fetchFor(caller: Caller): Fetch {
    const { world, witness } = this
    return (url, init) => {
      const { headers = {}, body = new Uint8Array(0), signal } = init
      const { host, searchParams } = new URL(url)
      const peer = this.peers.get(host)
      if (peer) return callPeer(url, init, { world, peer, caller })
      const server = this.servers.get(host)
      if (!server) throw new Error(`no server ${host}`)
      const { authorization, 'content-encoding': encoding } = headers
      const request = {
        target: targetOf(searchParams, authorization),
        body: new TextDecoder().decode(encoding === 'gzip' ? gunzipSync(body) : body),
      }
      return new Promise((resolve, reject) => {
        if (caller.isDead) return
        const call = new Call({ world, witness, server, request, caller, resolve, reject })
        signal.addEventListener('abort', () => call.abort())
        call.start(world.chance(this.lossiness))
      })
    }
  }
}

function targetOf(query: URLSearchParams, credentials = ''): Target {
  return {
    database: query.get('db') ?? '',
    retentionPolicy: query.get('rp') ?? '',
    precision: query.get('precision') ?? '',
    credentials,
  }
}

interface CallOptions {
  readonly world: World
  readonly witness: Observer
  readonly server: SimulatedInfluxDB
  readonly request: { readonly target: Target; readonly body: string }
  readonly caller: Caller
  resolve(response: Response): void
  reject(error: Error): void
}

/** One request, which reaches the server once or never, and ends once. */
class Call {
  private readonly options: CallOptions
  private readonly world: World
  private readonly server: SimulatedInfluxDB
  private hasArrived = false
  private isOver = false

  constructor(options: CallOptions) {
    this.options = options
    this.world = options.world
    this.server = options.server
  }

  start(isLost: boolean): void {
    const { caller, witness, request } = this.options
    witness.asks(this.server, request.body)
    caller.onDeath(() => this.abort())
    if (!isLost) this.world.after(this.latency(), () => this.arrive())
  }

  /**
   * The process aborts the request. It reaches the server now or never: no relay can guard against a request
   * that arrives after its own timeout, behind later ones.
   */
  abort(): void {
    if (this.isOver) return
    if (!this.hasArrived && this.server.state !== 'down' && this.world.chance(0.5)) this.write()
    this.fail('aborted')
  }

  private arrive(): void {
    if (this.isOver) return
    const { state } = this.server
    if (state === 'down') this.fail('connect ECONNREFUSED')
    else if (state === 'stalled') this.server.whenChanged(() => this.arrive())
    else if (state === 'busy') this.answer({ status: 503, error: 'busy', retryAfter: '2' })
    else if (state === 'failing') this.failInside()
    else if (state === 'flaky') this.loseConnection()
    else this.answer(this.write())
  }

  private failInside(): void {
    if (this.world.chance(0.5)) this.write()
    this.answer({ status: 500, error: 'timeout' })
  }

  /** The connection breaks, or the request is never answered. */
  private loseConnection(): void {
    const reply = this.world.chance(0.7) ? this.write() : undefined
    if (this.world.chance(0.2)) return
    if (reply && this.world.chance(0.3)) this.answer(reply)
    else this.world.after(this.latency(), () => this.fail('ECONNRESET: connection lost'))
  }

  private write(): Reply {
    this.hasArrived = true
    const { target, body } = this.options.request
    const reply = this.server.write(target, body)
    const { witness } = this.options
    witness.barriers.gotLines(this.server.name, target.database, linesOf(body))
    const lines = body.trim().replaceAll('\n', ' | ')
    this.world.log(`${this.server.name} ${target.database} ${reply.status} ${lines}`)
    return reply
  }

  private answer(reply: Reply): void {
    this.hasArrived = true
    this.world.after(this.latency(), () => {
      if (this.isOver) return
      this.isOver = true
      if (this.options.caller.isDead) return
      this.tell(reply)
      this.options.resolve(responseOf(reply))
    })
  }

  private tell({ status, retryAfter }: Reply): void {
    const { witness, request } = this.options
    if (status === 204) witness.stored(this.server, request.body)
    if (status === 204 || status === 400) witness.replied(this.server, request.body)
    if (retryAfter === undefined) return
    witness.askedToWait(this.server, request.body, Number(retryAfter) * 1000)
  }

  private fail(message: string): void {
    if (this.isOver) return
    this.isOver = true
    if (!this.options.caller.isDead) this.options.reject(new Error(message))
  }

  /** Most answers are quick, some take long. */
  private latency(): number {
    return this.world.chance(0.1) ? this.world.between(5, 80) : this.world.between(0.1, 3)
  }
}

/** The part of a Response that the relay uses: real ones would take most of the simulation's time. */
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
