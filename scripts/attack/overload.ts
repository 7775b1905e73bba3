/**
 * Offers a relay twice the load that it takes on this machine, for minutes, while one of two servers is
 * down and its writes go to a buffer on disk. Then starts that server again.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { firstAndLastThird } from '../../bench/samples.ts'
import { during, type Service } from '../../bench/service.ts'
import type { RelaySubject } from '../../bench/subjects.ts'
import { peakMb, resetPeak, residentMb } from '../../bench/usage.ts'
import type { Influxd } from '../../test/real/influxd.ts'
import { countsText } from './connection.ts'
import { FIRST_TIME, MEASUREMENT, OverloadClient, POINTS } from './overload-client.ts'
import { Servers } from './servers.ts'

const CONNECTIONS = 512
const MEASURE_SECONDS = 5
const SAMPLE_MS = 2000
const ANSWERS_LIMIT_MS = 30_000
/** A server that comes back must get something within this time. */
const STALL_MS = 60_000
/** Points that are read back in one query. */
const WINDOW = 100_000
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
  const memory: number[] = []
  const sampling = setInterval(() => {
    if (relay.isRunning) memory.push(residentMb(relay.pid))
  }, SAMPLE_MS)
  const load = await client.run(2 * capacity, seconds)
  clearInterval(sampling)
  await client.stop(ANSWERS_LIMIT_MS)
  if (!relay.isRunning) throw new Error(`the relay has ended. Its log:\n${await relay.log()}`)
  const peak = peakMb(relay.pid)

  await down.start()
  const began = performance.now()
  await drained(healthy, down)
  const drainSeconds = (performance.now() - began) / 1000
  const lacks = await Promise.all([healthy, down].map((one) => lacking(one, client)))
  const lost = lacks.reduce((sum, count) => sum + count, 0)
  const [firstMb, lastMb] = firstAndLastThird(memory)
  const broken: string[] = []
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

async function count(server: Influxd): Promise<number> {
  const { results } = await server.query(`SELECT count(v) FROM ${MEASUREMENT}`, { db: 'attack' })
  return results[0].series?.[0].values[0][1] ?? 0
}

/** Waits until a server has as many points as the other one, or gets no more. */
async function drained(healthy: Influxd, down: Influxd): Promise<void> {
  const wanted = await count(healthy)
  let last = { points: 0, at: performance.now() }
  for (;;) {
    const points = await count(down)
    const now = performance.now()
    if (points >= wanted || now - last.at > STALL_MS) return
    if (points > last.points) last = { points, at: now }
    await delay(500)
  }
}

/** The count of acknowledged points that a server lacks. */
async function lacking(server: Influxd, { acknowledged, writes }: OverloadClient): Promise<number> {
  const stored = new Uint8Array(writes * POINTS)
  for (let from = 0; from < stored.length; from += WINDOW) {
    const between = [from, from + WINDOW].map((point) => FIRST_TIME + BigInt(point))
    const q = `SELECT v FROM ${MEASUREMENT} WHERE time >= ${between[0]} AND time < ${between[1]}`
    const { results } = await server.query(q, { db: 'attack' })
    for (const [, value] of results[0].series?.[0].values ?? []) stored[value] = 1
  }
  let lacks = 0
  for (const write of acknowledged) {
    for (let point = write * POINTS; point < (write + 1) * POINTS; point++) {
      if (stored[point] !== 1) lacks++
    }
  }
  return lacks
}
