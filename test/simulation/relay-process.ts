/** One process of the relay: from its start to its stop, or to a crash. */

import { gzipSync } from 'node:zlib'
import type { Hono } from 'hono'
import type { HttpConfig, UdpConfig } from '../../src/config/config.ts'
import { BoundedDisk } from '../../src/disk/bounded-disk.ts'
import { createApp } from '../../src/http/app.ts'
import type { Answer } from '../../src/influxdb/answer.ts'
import { opaque, type Write } from '../../src/influxdb/write.ts'
import { createLog } from '../../src/observe/log.ts'
import { Peers } from '../../src/peers/peers.ts'
import { gunzip, gzip } from '../../src/platform/gzip.ts'
import type { Relay } from '../../src/relay/relay.ts'
import type { Clock, FetchRequest, Runtime, UdpRuntime } from '../../src/runtime.ts'
import { openData, openRelay } from '../../src/start.ts'
import { UdpRelay } from '../../src/udp/udp-relay.ts'
import type { FakeDisk } from '../support/fake-disk.ts'
import { PoisoningPool } from '../support/poisoning-pool.ts'
import type { Caller, Network } from './network.ts'
import { linesOf } from './points.ts'
import type { LifeSettings } from './settings.ts'
import { statementNumberOf } from './statement-call.ts'
import type { Observer } from './witness.ts'
import type { World } from './world.ts'

/** The database of datagrams. */
export const DATAGRAM_DATABASE = 'd'

/** How a client sends a body: with its length, in chunks, as gzip, or only in part. */
export type Sending = 'whole' | 'chunked' | 'gzip' | 'cut short' | 'gzip cut short'

export interface ClientRequest {
  /** With its query string. */
  readonly path: string
  readonly authorization: string | undefined
  readonly body: string
  readonly sending: Sending
}

export interface QueryAnswer {
  readonly status: number
  /** Undefined if no server has run the query. */
  readonly server: string | undefined
  /** The header `X-Relay-Behind`. */
  readonly behind: string | undefined
}

export interface Environment {
  readonly world: World
  readonly network: Network
  readonly witness: Observer
}

export class RelayProcess implements Caller {
  isDead = false
  relay: Relay | undefined
  /** How many requests have no answer yet. */
  unanswered = 0
  /** Bytes that each backend had on disk at the start. They may exceed a smaller bound. */
  readonly inherited = new Map<string, number>()
  readonly settings: LifeSettings
  private readonly world: World
  private readonly network: Network
  private readonly witness: Observer
  readonly disk: FakeDisk
  private app: Hono | undefined
  private udp: UdpRelay | undefined
  private endings = new Set<() => void>()

  constructor({ world, network, witness }: Environment, disk: FakeDisk, settings: LifeSettings) {
    this.world = world
    this.network = network
    this.witness = witness
    this.disk = disk
    this.settings = settings
  }

  onDeath(callback: () => void): void {
    this.endings.add(callback)
  }

  /** Starts to serve. Never resolves if the process dies before. */
  async start(): Promise<void> {
    const { settings } = this
    const runtime = this.runtime()
    const log = createLog(runtime.writeLog, () => this.world.wallNanoseconds())
    const { dataDir, segmentBytes, maxOpenFiles } = settings
    const disk = new BoundedDisk(this.disk, maxOpenFiles)
    const data = await openData({ dataDir }, { disk }, log)
    const peers = new Peers(settings.peers, runtime, log)
    const relay = await openRelay(
      settings.backends,
      runtime,
      log,
      data && { ...data, segmentBytes },
      peers,
    )
    if (this.isDead) return
    for (const { name, queue } of relay.backends)
      this.inherited.set(name, queue.store?.diskBytes ?? 0)
    this.observe(relay, settings.isDurable)
    this.relay = relay
    this.app = createApp(httpConfig(settings), relay, runtime, log, { peers })
    peers.start()
    this.udp = new UdpRelay(udpConfig(settings), relay, runtime, log)
    this.world.log('relay serves')
  }

  /** The status of the relay's answer, or undefined if there is none. */
  request(request: ClientRequest): Promise<number | undefined> {
    const { app } = this
    if (!app || this.isDead) return Promise.resolve(undefined)
    this.witness.sent(request.body)
    this.unanswered++
    return new Promise((resolve) => {
      const cutOff = () => resolve(undefined)
      this.endings.add(cutOff)
      void Promise.resolve(app.request(request.path, initOf(request))).then(({ status }) => {
        if (this.isDead) return
        this.unanswered--
        this.endings.delete(cutOff)
        resolve(status)
      })
    })
  }

  /** The answer to a query, or undefined if there is none: its status, the server, and what that lacks. */
  async query(path: string): Promise<QueryAnswer | undefined> {
    const { app } = this
    if (!app || this.isDead) return undefined
    return new Promise((resolve) => {
      const cutOff = () => resolve(undefined)
      this.endings.add(cutOff)
      void Promise.resolve(app.request(path)).then(async (response) => {
        const { results } = JSON.parse(await response.text())
        if (this.isDead) return
        this.endings.delete(cutOff)
        const behind = response.headers.get('x-relay-behind') ?? undefined
        resolve({ status: response.status, server: results?.[0].series?.[0].name, behind })
      })
    })
  }

  /** The answer to a question of a peer. Rejects if there is none. */
  async answerPeer(path: string, { method, headers }: FetchRequest): Promise<Response> {
    if (!this.app || this.isDead) throw new Error('connect ECONNREFUSED')
    const response = await this.app.request(path, { method, headers })
    if (this.isDead) throw new Error('ECONNRESET')
    return response
  }

  /** Delivers a datagram if the relay serves. */
  datagram(body: string): void {
    if (!this.udp || this.isDead) return
    this.witness.sent(body)
    this.udp.accept(new TextEncoder().encode(body))
  }

  /** Closes the relay's files. A crash may come before that is done. */
  async stop(): Promise<void> {
    this.witness.lifeEnds()
    await this.relay?.close()
  }

  /** Ends the process without a stop. */
  die(): void {
    this.isDead = true
    const { endings } = this
    this.endings = new Set()
    for (const end of endings) end()
  }

  /** Records in which order the relay accepts writes, and its answers. Gives some writes another kind. */
  private observe(relay: Relay, isDurable: boolean): void {
    const accept = relay.accept.bind(relay)
    relay.accept = async (points) => {
      if (points.kind === 'statement') {
        const number = statementNumberOf(points.points.bytes)
        if (number === undefined) return accept(points)
        this.witness.barriers.acceptedStatement(number)
        const answer = await accept(points)
        const isDone = answer.status === 200 && answer.error === undefined && !hasError(answer)
        if (!this.isDead && isDone && isDurable) this.witness.barriers.acknowledged.add(number)
        return answer
      }
      const write = { ...points, kind: kindOf(points) }
      const acceptance = this.witness.accepted(write, { isOwned: false, isDurable })
      const isRemote = write.kind === 'remote-write'
      const answer = await accept(
        isRemote ? { ...write, points: opaque(write.points.bytes) } : write,
      )
      if (!this.isDead) this.witness.answered(acceptance, answer.status, answer.error ?? '')
      return answer
    }
    const own = relay.own.bind(relay)
    relay.own = (write) => {
      this.witness.accepted(write, { isOwned: true, isDurable })
      own(write)
    }
  }

  private onLogLine(line: string): void {
    if (this.isDead) return
    this.world.log(`  ${line.replace(/^time=\S+ /, '')}`)
    const [, damage] = /msg="buffer is damaged" (.*)/.exec(line) ?? []
    if (damage !== undefined) this.witness.sawDamage(damage)
  }

  private runtime(): Runtime & UdpRuntime {
    const { world } = this
    const clock: Clock = {
      now: () => world.now(),
      wallNanoseconds: () => world.wallNanoseconds(),
      after: (delayMs, callback) =>
        world.after(delayMs, () => {
          if (!this.isDead) callback()
        }),
    }
    return {
      clock,
      buffers: new PoisoningPool(),
      createFetch: () => this.network.fetchFor(this),
      createStreamingFetch: () => this.network.queriesFor(this),
      gunzip,
      gzip,
      createUdpSender: unused,
      resolve: unused,
      writeLog: (line) => this.onLogLine(line),
    }
  }
}

/** Clients send points only. One write in eight is queued as another kind; a retry has the same kind. */
function kindOf({ points: { bytes } }: Write): Write['kind'] {
  const [line = ''] = linesOf(new TextDecoder().decode(bytes))
  const unstamped = line.slice(0, line.lastIndexOf(' '))
  const sum = new TextEncoder().encode(unstamped).reduce((total, byte) => total + byte, 0)
  return sum % 8 === 0 ? 'remote-write' : 'points'
}

function hasError({ body }: Answer): boolean {
  return new TextDecoder().decode(body).includes('"error"')
}

function unused(): never {
  throw new Error('no output gets datagrams')
}

function initOf({ body, sending, authorization }: ClientRequest): RequestInit {
  const headers: Record<string, string> = authorization === undefined ? {} : { authorization }
  const text = new TextEncoder().encode(body)
  const isGzip = sending === 'gzip' || sending === 'gzip cut short'
  if (isGzip) headers['content-encoding'] = 'gzip'
  const bytes = isGzip ? new Uint8Array(gzipSync(text)) : text
  if (sending === 'whole') headers['content-length'] = String(bytes.length)
  if (sending === 'gzip cut short') return { method: 'POST', headers, body: bytes.slice(0, -9) }
  if (sending !== 'cut short') return { method: 'POST', headers, body: bytes }
  return { method: 'POST', headers, body: brokenOff(bytes), duplex: 'half' } as RequestInit
}

/** The first half of a body, and then an error. */
function brokenOff(bytes: Uint8Array): ReadableStream {
  let isSent = false
  return new ReadableStream({
    pull(controller) {
      if (isSent) controller.error(new Error('aborted'))
      else controller.enqueue(bytes.slice(0, bytes.length >> 1))
      isSent = true
    },
  })
}

function httpConfig({
  backends,
  maxPendingBytes,
  minConsistency,
  peers,
}: LifeSettings): HttpConfig {
  return {
    name: 'simulation',
    bind: { host: '', port: 0 },
    pem: undefined,
    defaultRetentionPolicy: '',
    isQueryable: true,
    pingStatus: 204,
    consistency: 'one',
    minConsistency,
    maxBodyBytes: 100_000,
    maxPendingBytes,
    maxConnections: 100,
    readTimeoutMs: 10_000,
    idleTimeoutMs: 10_000,
    backends,
    peers,
    ignored: [],
  }
}

function udpConfig({ backends }: LifeSettings): UdpConfig {
  return {
    name: 'simulation',
    bind: { host: '', port: 0 },
    precision: 'n',
    readBufferBytes: 0,
    maxQueuedDatagrams: 0,
    database: DATAGRAM_DATABASE,
    retentionPolicy: '',
    outputs: [],
    backends,
  }
}
