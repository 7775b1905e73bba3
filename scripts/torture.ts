/**
 * Kills the relay at random moments, again and again, while clients write and one server is down.
 * Then starts everything again and checks that both servers have every acknowledged point.
 *
 *     npm run torture                          25 cycles on each way to run
 *     npm run torture -- --cycles 1000 --seed 7
 */

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Guard } from '../test/real/guard.ts'
import { type Influxd, startInfluxd } from '../test/real/influxd.ts'
import { choosePorts } from '../test/real/ports.ts'
import { RelayProcess } from './relay-process.ts'
import { WAYS } from './ways.ts'

const CLIENTS = 4
const DRAIN_LIMIT_MS = 60_000

const { values } = parseArgs({
  options: { cycles: { type: 'string', default: '25' }, seed: { type: 'string', default: '1' } },
})
const random = randomFrom(Number(values.seed))

/** mulberry32: the same seed gives the same numbers, though processes differ in their timing. */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Clients that write new points, and remember which were acknowledged. */
class Clients {
  readonly acknowledged = new Set<string>()
  readonly #url: string
  #next = 0
  #stopped = false
  readonly #running: Promise<void>[] = []

  constructor(url: string) {
    this.#url = url
  }

  start(): void {
    for (let i = 0; i < CLIENTS; i++) this.#running.push(this.#write())
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.all(this.#running)
  }

  async #write(): Promise<void> {
    while (!this.#stopped) {
      const n = this.#next++
      const body = `m,n=${n % 16} v=${n}i ${1_700_000_000_000_000_000n + BigInt(n)}`
      const status = await fetch(this.#url, { method: 'POST', body })
        .then((response) => response.status)
        .catch(() => 0)
      if (status === 204) this.acknowledged.add(`autogen ${body}`)
      else await delay(5)
    }
  }
}

/** Kills a server and the relay, and starts both again. */
async function cycle(relay: RelayProcess, server: Influxd): Promise<void> {
  await delay(20 + random() * 100)
  await server.kill()
  await delay(random() * 200)
  await relay.kill('SIGKILL')
  if (random() < 0.5) await server.start()
  await relay.start()
  await delay(random() * 100)
  if (server.pid === undefined) await server.start()
}

/** The acknowledged points that a server lacks. */
async function missing(server: Influxd, acknowledged: ReadonlySet<string>): Promise<string[]> {
  const rows = new Set(await server.rows('d'))
  return [...acknowledged].filter((row) => !rows.has(row))
}

async function settled(servers: Influxd[], acknowledged: ReadonlySet<string>): Promise<string[][]> {
  const end = performance.now() + DRAIN_LIMIT_MS
  for (;;) {
    const lacks = await Promise.all(servers.map((server) => missing(server, acknowledged)))
    if (lacks.every((lack) => lack.length === 0) || performance.now() > end) return lacks
    await delay(250)
  }
}

/** Runs the cycles on one way to run; returns how many acknowledged points were lost. */
async function torture(way: string, command: string[], cycles: number): Promise<number> {
  const servers = await Promise.all([startInfluxd(), startInfluxd()])
  for (const server of servers) await server.query('CREATE DATABASE d')
  const { http } = await choosePorts()
  const dir = await mkdtemp(join(tmpdir(), 'torture-'))
  const outputs = servers.map(
    ({ url }, i) =>
      `{ name = "s${i}", location = "${url}/write", buffer-size-mb = 64, max-delay-interval = "500ms" }`,
  )
  await writeFile(
    join(dir, 'relay.toml'),
    `data-dir = "${dir}/data"\n[[http]]\nname = "r"\nbind-addr = "127.0.0.1:${http}"\noutput = [${outputs.join(', ')}]\n`,
  )
  const relay = new RelayProcess([...command, '-config', join(dir, 'relay.toml')], new Guard(dir))
  const clients = new Clients(`http://127.0.0.1:${http}/write?db=d`)
  await relay.start()
  clients.start()
  for (let i = 0; i < cycles; i++) await cycle(relay, servers[i % 2] as Influxd)
  await clients.stop()
  const lacks = await settled(servers, clients.acknowledged)
  await relay.kill('SIGTERM')
  const lost = lacks.reduce((sum, lack) => sum + lack.length, 0)
  console.log(
    `${way.padEnd(12)}${cycles} cycles, ${clients.acknowledged.size} points acknowledged, ${lost} lost`,
  )
  if (lost > 0)
    console.log(`${lacks.map((lack) => lack.slice(0, 5).join('\n')).join('\n')}\n${relay.log}`)
  for (const server of servers) await server.stop()
  await rm(dir, { recursive: true, force: true })
  return lost
}

let lost = 0
for (const [way, command] of Object.entries(WAYS)) {
  lost += await torture(way, command, Number(values.cycles))
}
process.exit(lost > 0 ? 1 : 0)
