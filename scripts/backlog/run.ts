/**
 * One run: a relay collects a backlog for a server that is down, is restarted, and drains the
 * backlog.
 */

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Guard } from '../../test/real/guard.ts'
import { choosePorts } from '../../test/real/ports.ts'
import { RelayProcess } from '../relay-process.ts'
import { BATCH_BYTES, batch } from './batches.ts'
import { forgetPeak, memoryOf } from './memory.ts'
import { Receiver } from './receiver.ts'

const CLIENTS = 4
/** Writes while both servers are up. */
const WORK = 200
/** An idle relay returns memory to the system only after a while. */
const REST_MS = 3_000
/** Ends a run in which nothing arrives any more. */
const STALL_MS = 30_000

/** Seconds, and bytes of resident memory: the peak of each phase unless noted. */
export interface Figures {
  /** The size of the backlog. */
  bytes: number
  /** Right after the start. */
  idle: number
  /** With both servers up: what the same writes take without a backlog. */
  working: number
  writing: number
  writingSeconds: number
  /** Some seconds after the last write. */
  resting: number
  starting: number
  startSeconds: number
  draining: number
  drainSeconds: number
  faults: string[]
}

interface Bench {
  readonly relay: RelayProcess
  readonly url: string
  readonly healthy: Receiver
  readonly down: Receiver
}

/** @param size approximate bytes of the backlog */
export async function measure(command: string[], size: number): Promise<Figures> {
  const writes = Math.ceil(size / BATCH_BYTES / CLIENTS) * CLIENTS
  const dir = await mkdtemp(join(tmpdir(), 'backlog-'))
  const guard = new Guard(dir)
  const bench = await setUp(command, dir, guard, writes)
  try {
    await bench.healthy.start()
    return await run(bench, writes)
  } finally {
    await bench.relay.kill('SIGKILL')
    await Promise.all([bench.healthy.stop(), bench.down.stop()])
    await guard.end()
    await rm(dir, { recursive: true, force: true })
  }
}

async function setUp(command: string[], dir: string, guard: Guard, writes: number): Promise<Bench> {
  const [own, healthy, down] = await Promise.all([choosePorts(), choosePorts(), choosePorts()])
  const room = Math.ceil(((WORK + writes) * BATCH_BYTES) / 2 ** 20) + 64
  const config = join(dir, 'relay.toml')
  await writeFile(
    config,
    `data-dir = "${dir}/data"
[[http]]
name = "r"
bind-addr = "127.0.0.1:${own.http}"
[[http.output]]
name = "healthy"
location = "http://127.0.0.1:${healthy.http}/write"
[[http.output]]
name = "down"
location = "http://127.0.0.1:${down.http}/write"
buffer-size-mb = ${room}
max-delay-interval = "500ms"
`,
  )
  return {
    relay: new RelayProcess([...command, '-config', config], guard),
    url: `http://127.0.0.1:${own.http}/write?db=d`,
    healthy: new Receiver(healthy.http, CLIENTS),
    down: new Receiver(down.http, CLIENTS),
  }
}

async function run({ relay, url, healthy, down }: Bench, writes: number): Promise<Figures> {
  const total = WORK + writes
  await relay.start()
  const { now: idle } = await memoryOf(relay.pid)
  await down.start()
  await writeAll(url, 0, WORK)
  await arrival(down, WORK)
  const { peak: working } = await memoryOf(relay.pid)

  await down.stop()
  await forgetPeak(relay.pid)
  const writingSeconds = await timed(() => writeAll(url, WORK, total))
  const { peak: writing } = await memoryOf(relay.pid)
  await delay(REST_MS)
  const { now: resting } = await memoryOf(relay.pid)

  await relay.kill('SIGKILL')
  const startSeconds = await timed(() => relay.start())
  const { peak: starting } = await memoryOf(relay.pid)
  await delay(REST_MS)

  await forgetPeak(relay.pid)
  await down.start()
  const drainSeconds = await timed(() => arrival(down, total))
  const { peak: draining } = await memoryOf(relay.pid)

  const faults = [...faultsOf('healthy', healthy, total), ...faultsOf('down', down, total)]
  const bytes = writes * BATCH_BYTES
  const memory = { idle, working, writing, resting, starting, draining }
  return { bytes, ...memory, writingSeconds, startSeconds, drainSeconds, faults }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await work()
  return (performance.now() - began) / 1000
}

async function writeAll(url: string, from: number, to: number): Promise<void> {
  const agent = new Agent({ keepAlive: true })
  const clients = Array.from({ length: CLIENTS }, async (_, client) => {
    for (let number = from + client; number < to; number += CLIENTS) {
      const status = await post(url, Buffer.from(batch(number)), agent)
      if (status !== 204) throw new Error(`write ${number} was answered ${status}`)
    }
  })
  await Promise.all(clients)
  agent.destroy()
}

function post(url: string, body: Buffer, agent: Agent): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-length': body.length }
    const sent = request(url, { method: 'POST', agent, headers }, (response) => {
      response.resume()
      response.on('end', () => resolve(response.statusCode ?? 0))
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

/** Waits until this many writes have arrived, or none arrives for a while. */
async function arrival(receiver: Receiver, writes: number): Promise<void> {
  let last = { received: -1, at: 0 }
  while (receiver.received < writes) {
    const now = performance.now()
    if (receiver.received > last.received) last = { received: receiver.received, at: now }
    else if (now - last.at > STALL_MS) return
    await delay(10)
  }
}

function faultsOf(name: string, { received, faults }: Receiver, writes: number): string[] {
  const lost = received < writes ? [`${writes - received} writes are missing`] : []
  return [...lost, ...faults].map((fault) => `${name}: ${fault}`)
}
