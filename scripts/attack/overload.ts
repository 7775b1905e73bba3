/**
 * Offers a relay twice the load that it takes on this machine, for minutes, while one of two servers is
 * down and its writes go to a buffer on disk. Then starts that server again.
 */

import { readdirSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { firstAndLastThird } from '../../bench/samples.ts'
import { during, type Service } from '../../bench/service.ts'
import { dataDirOf, type RelaySubject } from '../../bench/subjects.ts'
import { peakMb, resetPeak, residentMb } from '../../bench/usage.ts'
import { BUFFERS } from '../../src/config/config.ts'
import { firstOf } from '../../src/segments/segment-index.ts'
import type { Influxd } from '../../test/real/influxd.ts'
import { countsText } from './connection.ts'
import { FIRST_TIME, MEASUREMENT, OverloadClient, POINTS } from './overload-client.ts'
import { Servers } from './servers.ts'

const CONNECTIONS = 512
const MEASURE_SECONDS = 5
const SAMPLE_MS = 2000
const PROGRESS_MS = 15_000
const ANSWERS_LIMIT_MS = 30_000
/** The backlog must be drained within this many times the time in which it grew, and a minute. */
const MAX_DRAIN_RATIO = 2
/** How often to look whether the backlog is drained. */
const DRAIN_POLL_MS = 500
/** Points that one query counts, and those of one bucket in its answer. */
const WINDOW = 5_000_000
const BUCKET = 10_000
/** Growth from the first third of the time to the last. */
const MAX_GROWTH_MB = 32

const KEYS = {
  onDisk: true,
  output: { 'buffer-size-mb': 32 * 1024, 'max-delay-interval': '500ms' },
}

/** What the overload did to one relay. */
export interface Overload {
  readonly way: string
  /** Writes a second, of ten points each. */
  readonly capacity: number
  readonly offered: number
  readonly acknowledged: number
  /** Writes by answer, and those that found no connection. */
  readonly answers: string
  /** The median of resident memory in the first and in the last third of the time. */
  readonly firstMb: number
  readonly lastMb: number
  readonly peakMb: number
  readonly drainSeconds: number
  /** Acknowledged points that a server lacks. */
  readonly lost: number
  readonly broken: readonly string[]
}

export async function overload(way: RelaySubject, minutes: number): Promise<Overload> {
  const servers = await Servers.start()
  try {
    const [healthy, down] = await servers.real()
    return await during(await way.start([healthy, down], KEYS), (relay) =>
      overloadOne(way.name, relay, [healthy, down], minutes * 60),
    )
  } finally {
    await servers.stop()
  }
}

async function overloadOne(
  way: string,
  relay: Service,
  [healthy, down]: readonly [Influxd, Influxd],
  seconds: number,
): Promise<Overload> {
  const client = new OverloadClient(relay.port, CONNECTIONS)
  await down.kill()
  const measured = await client.run(Number.POSITIVE_INFINITY, MEASURE_SECONDS)
  const capacity = (measured.statuses.get('204') ?? 0) / MEASURE_SECONDS

  resetPeak(relay.pid)
  const watch = new Watch(way, relay, client)
  const load = await watch.during('overloaded', () => client.run(2 * capacity, seconds))
  const [firstMb, lastMb] = firstAndLastThird(watch.memory)
  await client.stop(ANSWERS_LIMIT_MS)

  await down.start()
  const limitSeconds = seconds * MAX_DRAIN_RATIO + 60
  const began = performance.now()
  const isDrained = await watch.during('draining', () => drained(relay, limitSeconds))
  const drainSeconds = (performance.now() - began) / 1000
  if (!relay.isRunning) throw new Error(`the relay has ended. Its log:\n${await relay.log()}`)
  const peak = peakMb(relay.pid)

  console.log(`${way}: looking for the acknowledged points on both servers`)
  const lacks = [await lacking(healthy, client), await lacking(down, client)]
  const lost = lacks.reduce((sum, count) => sum + count, 0)
  const broken: string[] = []
  if (!isDrained) broken.push(`the backlog was not drained within ${limitSeconds} s`)
  if (lost > 0) broken.push(`the servers lack ${lacks.join(' and ')} acknowledged points`)
  if (lastMb - firstMb > MAX_GROWTH_MB) {
    broken.push(`memory grew from ${firstMb.toFixed(0)} to ${lastMb.toFixed(0)} MB`)
  }
  return {
    ...{ way, capacity, offered: load.offered, acknowledged: client.acknowledged.length },
    answers: countsText(new Map([...load.statuses, ['unsent', load.unsent]])),
    ...{ firstMb, lastMb, peakMb: peak, drainSeconds, lost, broken },
  }
}

/** Samples a relay's memory, and prints now and then how a phase of the run goes. */
class Watch {
  /** Resident memory, in MB, from all phases so far. */
  readonly memory: number[] = []
  readonly #way: string
  readonly #relay: Service
  readonly #client: OverloadClient

  constructor(way: string, relay: Service, client: OverloadClient) {
    this.#way = way
    this.#relay = relay
    this.#client = client
  }

  async during<Result>(phase: string, work: () => Promise<Result>): Promise<Result> {
    const began = performance.now()
    let printedAt = began
    const sampling = setInterval(() => {
      if (!this.#relay.isRunning) return
      this.memory.push(residentMb(this.#relay.pid))
      const now = performance.now()
      if (now - printedAt < PROGRESS_MS) return
      printedAt = now
      this.#print(phase, (now - began) / 1000)
    }, SAMPLE_MS)
    try {
      return await work()
    } finally {
      clearInterval(sampling)
    }
  }

  #print(phase: string, seconds: number): void {
    const buffered = segmentBytes(this.#relay) / 2 ** 20
    console.log(
      `${this.#way}: ${phase} for ${seconds.toFixed(0)} s: ` +
        `${this.#client.acknowledged.length} writes acknowledged, ${buffered.toFixed(0)} MB on disk, ` +
        `${(this.memory.at(-1) ?? Number.NaN).toFixed(0)} MB in memory`,
    )
  }
}

/** Waits until nothing is left on disk. Resolves with whether that was in time. */
async function drained(relay: Service, limitSeconds: number): Promise<boolean> {
  const end = performance.now() + limitSeconds * 1000
  while (segmentBytes(relay) > 0) {
    if (performance.now() > end || !relay.isRunning) return false
    await delay(DRAIN_POLL_MS)
  }
  return true
}

/** The bytes of all segments in the relay's buffers. */
function segmentBytes(relay: Service): number {
  const buffers = join(dataDirOf(relay), BUFFERS)
  let bytes = 0
  for (const name of readdirSync(buffers, { recursive: true, encoding: 'utf8' })) {
    if (firstOf(basename(name)) === undefined) continue
    bytes += statSync(join(buffers, name), { throwIfNoEntry: false })?.size ?? 0
  }
  return bytes
}

/** The count of acknowledged points that a server lacks. */
async function lacking(server: Influxd, client: OverloadClient): Promise<number> {
  const acknowledged = new Uint8Array(client.writes)
  for (const write of client.acknowledged) acknowledged[write] = 1
  const points = client.writes * POINTS
  let lacks = 0
  for (let from = 0; from < points; from += WINDOW) {
    const counts = await countsOf(server, from, Math.min(from + WINDOW, points))
    for (let bucket = from; bucket < Math.min(from + WINDOW, points); bucket += BUCKET) {
      if (counts.get(bucket) === BUCKET) continue
      const stored = await storedIn(server, bucket)
      for (let point = bucket; point < Math.min(bucket + BUCKET, points); point++) {
        if (acknowledged[Math.floor(point / POINTS)] === 1 && !stored.has(point)) lacks++
      }
    }
  }
  return lacks
}

/** How many points a server has in each bucket, by the bucket's first point. */
async function countsOf(server: Influxd, from: number, to: number): Promise<Map<number, number>> {
  const rows = await select(server, 'count(v)', from, to, `GROUP BY time(${BUCKET}ns)`)
  // The times are too large for a number: the rows tell where they are by their order.
  return new Map(rows.map(([, count], i) => [from + i * BUCKET, count ?? 0]))
}

/** The points of a bucket that a server has. */
async function storedIn(server: Influxd, bucket: number): Promise<Set<number>> {
  const rows = await select(server, 'v', bucket, bucket + BUCKET)
  return new Set(rows.map(([, point = Number.NaN]) => point))
}

async function select(
  server: Influxd,
  what: string,
  from: number,
  to: number,
  clause = '',
): Promise<number[][]> {
  const [start, end] = [from, to].map((point) => FIRST_TIME + BigInt(point))
  const q = `SELECT ${what} FROM ${MEASUREMENT} WHERE time >= ${start} AND time < ${end} ${clause}`
  const { results } = await server.query(q, { db: 'attack' })
  return results[0].series?.[0].values ?? []
}
