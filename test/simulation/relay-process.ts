/** One life of the relay: from its start to its stop, or to the moment when the power goes. */

import type { Hono } from 'hono'
import { createApp } from '../../src/app.ts'
import type { BackendOptions } from '../../src/backend.ts'
import type { Config, HttpConfig } from '../../src/config.ts'
import { openData, openRelay } from '../../src/data.ts'
import { gunzip, gzip } from '../../src/gzip.ts'
import { createLog } from '../../src/log.ts'
import type { Relay } from '../../src/relay.ts'
import type { Clock, Host, Runtime } from '../../src/runtime.ts'
import type { FakeDisk } from '../fake-disk.ts'
import { PoisoningPool } from '../poisoning-pool.ts'
import type { History } from './history.ts'
import type { Caller, Network } from './network.ts'
import type { World } from './world.ts'

export const DATA = 'data'

/** How a client sends a body: with its length, in chunks, or not to its end. */
export type Sending = 'whole' | 'chunked' | 'cut short'

export interface Surroundings {
  readonly world: World
  readonly network: Network
  readonly history: History
}

export class RelayProcess implements Caller {
  isDead = false
  relay: Relay | undefined
  /** Requests of clients without an answer. */
  unanswered = 0
  /** Bytes that each backend had on disk when the process began: a smaller bound cannot undo them. */
  readonly inherited = new Map<string, number>()
  readonly options: readonly BackendOptions[]
  private readonly world: World
  private readonly network: Network
  private readonly history: History
  private readonly disk: FakeDisk
  private app: Hono | undefined
  private endings = new Set<() => void>()

  constructor(
    { world, network, history }: Surroundings,
    disk: FakeDisk,
    options: readonly BackendOptions[],
  ) {
    this.world = world
    this.network = network
    this.history = history
    this.disk = disk
    this.options = options
  }

  onDeath(callback: () => void): void {
    this.endings.add(callback)
  }

  /** Begins to serve. Never ends if the process dies before. */
  async start(): Promise<void> {
    const runtime = this.runtime()
    const log = createLog(runtime.writeLog, () => this.world.wallNanoseconds())
    const config: Config = { http: [], udp: [], shutdownTimeoutMs: 0, dataDir: DATA }
    const data = await openData(config, { disk: this.disk } as Partial<Host> as Host, log)
    const relay = await openRelay(this.options, runtime, log, data)
    if (this.isDead) return
    for (const { name, queue } of relay.backends) this.inherited.set(name, queue.bytes)
    this.observe(relay)
    this.relay = relay
    this.app = createApp(httpConfig(this.options), relay, runtime, log)
    this.world.log('relay serves')
  }

  /** The status of the relay's answer, or undefined if there is none. */
  request(search: string, body: string, sending: Sending): Promise<number | undefined> {
    const { app } = this
    if (!app || this.isDead) return Promise.resolve(undefined)
    this.unanswered++
    return new Promise((resolve) => {
      const cutOff = () => resolve(undefined)
      this.endings.add(cutOff)
      const answer = app.request(`/write?${search}`, { method: 'POST', ...sent(body, sending) })
      void Promise.resolve(answer).then(({ status }) => {
        if (this.isDead) return
        this.unanswered--
        this.endings.delete(cutOff)
        resolve(status)
      })
    })
  }

  /** Cuts the process off from the world. */
  die(): void {
    this.isDead = true
    const { endings } = this
    this.endings = new Set()
    for (const end of endings) end()
  }

  /** Notes in which order the relay accepts writes, and which of them it says are stored. */
  private observe(relay: Relay): void {
    const accept = relay.accept.bind(relay)
    relay.accept = (write) => {
      const { database, retentionPolicy } = write.destination
      const text = new TextDecoder().decode(write.points.bytes)
      const acceptance = this.history.accepted(database, retentionPolicy, text)
      this.world.log(`accept #${acceptance.number} ${database} ${text.replaceAll('\n', ' | ')}`)
      return accept(write).then((answer) => {
        if (this.isDead) return answer
        if (answer.status === 204) acceptance.isAcknowledged = true
        this.world.log(`answer #${acceptance.number} ${answer.status} ${answer.error ?? ''}`)
        return answer
      })
    }
  }

  private runtime(): Runtime {
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
      gunzip,
      gzip,
      writeLog: (line) => {
        if (!this.isDead) world.log(`  ${line.replace(/^time=\S+ /, '')}`)
      },
    }
  }
}

function sent(body: string, sending: Sending): RequestInit {
  if (sending === 'whole') return { body, headers: { 'content-length': String(body.length) } }
  if (sending === 'chunked') return { body }
  const half = new TextEncoder().encode(body.slice(0, body.length >> 1))
  const stream = new ReadableStream({
    pull(controller) {
      controller.enqueue(half)
      controller.error(new Error('aborted'))
    },
  })
  return { body: stream, duplex: 'half' } as RequestInit
}

function httpConfig(backends: readonly BackendOptions[]): HttpConfig {
  return {
    name: 'simulation',
    bind: { host: '', port: 0 },
    pem: undefined,
    defaultRetentionPolicy: '',
    pingStatus: 204,
    consistency: 'one',
    maxBodyBytes: 100_000,
    maxPendingBytes: 100_000,
    maxConnections: 100,
    readTimeoutMs: 10_000,
    idleTimeoutMs: 10_000,
    backends,
    ignored: [],
  }
}
