/** The HAProxy of examples/haproxy.cfg in front of two relays and two servers, of which some are killed. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { findProgram } from '../../bench/programs.ts'
import { Guard } from '../real/guard.ts'
import { type Influxd, startInfluxd } from '../real/influxd.ts'
import { choosePorts } from '../real/ports.ts'
import { type Answer, type RequestOptions, request } from './client.ts'
import { numbers, T } from './points.ts'
import { RelayPair } from './relay-pair.ts'
import { patience, root } from './relay-process.ts'

const RELAY = ['bun', 'run', 'src/bun.ts']

/** Longer than two checks of HAProxy: a server or relay that is killed stays away for so long. */
const OUTAGE_MS = 1200

/** Clients go on for so long after a start. */
const RETURN_MS = 600

/**
 * HAProxy asks twice a second whether a server is complete. Until then it may send queries to one that lags: what was
 * written longer ago must be there.
 */
const MAX_LAG_MS = { relays: 0, servers: 1000 }

/** After its start a server is behind for seconds. */
const SLOW_REPLAY = { 'replay-rate-limit': 5000, 'max-batch-kb': 1 }

/** Readers and writers of points one after the other. */
const CLIENTS = 4

let influx1: Influxd
let influx2: Influxd
let relays: RelayPair

beforeAll(async () => {
  ;[influx1, influx2] = (await Promise.all([startInfluxd(), startInfluxd()])) as [Influxd, Influxd]
  for (const server of [influx1, influx2]) await server.query('CREATE DATABASE d')
  relays = await RelayPair.create(RELAY, { influx1, influx2 }, SLOW_REPLAY)
  await Promise.all([relays.start(0), relays.start(1)])
})
afterAll(async () => {
  await relays?.end()
  await Promise.all([influx1, influx2].map((server) => server?.stop()))
})

describe.each(['relays', 'servers'] as const)('with queries to the %s', (target) => {
  let haproxy: Haproxy

  beforeAll(async () => {
    haproxy = await Haproxy.start(target, {
      '10.0.0.11:9096': `127.0.0.1:${relays.ports[0]}`,
      '10.0.0.12:9096': `127.0.0.1:${relays.ports[1]}`,
      '10.0.0.21:8086': `127.0.0.1:${influx1.port}`,
      '10.0.0.22:8086': `127.0.0.1:${influx2.port}`,
      'addr 10.0.0.11 port 9096': `addr 127.0.0.1 port ${relays.ports[0]}`,
      'addr 10.0.0.12 port 9096': `addr 127.0.0.1 port ${relays.ports[1]}`,
    })
  })
  afterAll(() => haproxy?.end())

  /** Whether each server is complete by the word of each relay. */
  const readiness = () =>
    Promise.all(
      [0, 1].flatMap((i) =>
        ['influx1', 'influx2'].map(async (name) => {
          const { status } = await request(`${relays.urlOf(i)}/ready/query/${name}`)
          return status
        }),
      ),
    )

  const outages: [string, () => [kill: () => Promise<unknown>, start: () => Promise<unknown>][]][] =
    [
      ['a server', () => [[() => influx2.kill(), () => influx2.start()]]],
      ['a relay', () => [[() => relays.kill(0), () => relays.start(0)]]],
      [
        'a server and a relay',
        () => [
          [() => influx1.kill(), () => influx1.start()],
          [() => relays.kill(0), () => relays.start(0)],
        ],
      ],
    ]
  test.each(outages)(
    'clients go on and read all that they wrote while %s is down',
    async (_, parts) => {
      await vi.waitFor(
        async () => expect(await readiness()).toEqual([200, 200, 200, 200]),
        patience,
      )
      const clients = numbers(CLIENTS).map(() => new Client(haproxy.url, MAX_LAG_MS[target]))
      const running = clients.map((client) => client.run())
      await delay(200)
      for (const [kill] of parts()) await kill()
      await delay(OUTAGE_MS)
      await haveRead(clients)
      for (const [, start] of parts()) {
        await start()
        await delay(RETURN_MS)
      }
      await haveRead(clients)
      for (const client of clients) client.stop()
      await Promise.all(running)
      expect(clients.flatMap(({ faults }) => faults)).toEqual([])
    },
  )
})

/** Waits until each client has read once more from now on. */
async function haveRead(clients: readonly Client[]): Promise<void> {
  const before = clients.map(({ reads }) => reads + 1)
  await vi.waitFor(() => {
    for (const [i, { reads }] of clients.entries()) expect(reads).toBeGreaterThan(before[i] ?? 0)
  }, patience)
}

/** Writes points of its own, one at a time, and counts them after each. */
class Client {
  static count = 0
  reads = 0
  readonly faults: string[] = []
  private readonly url: string
  private readonly measurement = `m${Client.count++}`
  private readonly maxLagMs: number
  /** When each point was acknowledged. */
  private readonly written: number[] = []
  private isStopped = false

  constructor(url: string, maxLagMs: number) {
    this.url = url
    this.maxLagMs = maxLagMs
  }

  stop(): void {
    this.isStopped = true
  }

  /** A request fails if its server dies under it, and is then repeated. */
  async run(): Promise<void> {
    while (!this.isStopped) {
      const body = `${this.measurement} v=1 ${T + BigInt(this.written.length)}`
      const written = await answerTo(`${this.url}/write?db=d`, { method: 'POST', body })
      if (written?.status === 204) this.written.push(performance.now())
      else await delay(20)
      await this.read()
    }
  }

  private async read(): Promise<void> {
    const q = encodeURIComponent(`SELECT count(v) FROM ${this.measurement}`)
    const now = performance.now()
    const answer = await answerTo(`${this.url}/query?db=d&q=${q}`)
    if (answer?.status !== 200) return
    this.reads++
    // One more may have been stored without an answer.
    const count = JSON.parse(answer.body).results[0].series?.[0].values[0][1] ?? 0
    const wanted = this.written.filter((at) => at <= now - this.maxLagMs).length
    if (count < wanted) {
      this.faults.push(`${count} of ${wanted}, ${answer.headers['x-relay-behind'] ?? 'complete'}`)
    }
  }
}

/** Undefined if the connection breaks. */
function answerTo(url: string, options?: RequestOptions): Promise<Answer | undefined> {
  return request(url, options).catch(() => undefined)
}

class Haproxy {
  readonly url: string
  private readonly child: ChildProcess
  private readonly guard: Guard

  /** @param addresses what to put in place of the addresses in the example */
  static async start(
    target: 'relays' | 'servers',
    addresses: Readonly<Record<string, string>>,
  ): Promise<Haproxy> {
    const { http: port } = await choosePorts()
    let text = await readFile(join(root, 'examples', 'haproxy.cfg'), 'utf8')
    text = text.replace('bind :8086', `bind 127.0.0.1:${port}`)
    for (const [from, to] of Object.entries(addresses)) text = text.replaceAll(from, to)
    if (target === 'servers') text = text.replaceAll('#use_backend', 'use_backend')
    const dir = await mkdtemp(join(tmpdir(), 'haproxy-'))
    await writeFile(join(dir, 'haproxy.cfg'), text)
    const { path, env } = await findProgram('haproxy')
    const child = spawn(path, ['-f', join(dir, 'haproxy.cfg')], {
      ...{ stdio: 'ignore', env: { ...process.env, ...env } },
    })
    const haproxy = new Haproxy(`http://127.0.0.1:${port}`, child, dir)
    await vi.waitFor(async () => {
      const { status } = await request(`${haproxy.url}/query?q=SHOW+DATABASES`)
      expect(status).toBe(200)
    }, patience)
    return haproxy
  }

  private constructor(url: string, child: ChildProcess, dir: string) {
    this.url = url
    this.child = child
    this.guard = new Guard(dir)
    this.guard.watch(child.pid)
  }

  async end(): Promise<void> {
    const exited = once(this.child, 'exit')
    this.child.kill('SIGKILL')
    await exited
    this.guard.watch(undefined)
    await this.guard.end()
  }
}
