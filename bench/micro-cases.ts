/**
 * The hot paths of the relay without sockets, configuration or disk, on the runtime that runs this.
 * Prints bytes and nanoseconds of each as JSON.
 */

import { measure } from 'mitata'
import { Queue } from '../src/delivery/queue.ts'
import type { WriteTracker } from '../src/delivery/queued-write.ts'
import { v1DestinationOf } from '../src/influxdb/destination.ts'
import { join, split } from '../src/influxdb/lines.ts'
import { stamp } from '../src/influxdb/stamp.ts'
import { timeRangeOf } from '../src/influxdb/time-range.ts'
import type { Write } from '../src/influxdb/write.ts'
import { BufferPool } from '../src/limits/buffer-pool.ts'
import { Losses } from '../src/losses/losses.ts'
import { createLog } from '../src/observe/log.ts'
import { gunzip, gzip } from '../src/platform/gzip.ts'
import { encode, HEADER_BYTES, prepare, readHeader, readRecord } from '../src/segments/record.ts'
import { body } from './requests.ts'

const LIMIT = 64 * 1024 * 1024
const SMALL_WRITES = 400
const MTU = 1024

const bytesOf = (points: number, timestamps: boolean, variant = 0) =>
  new TextEncoder().encode(body({ points, timestamps }, variant))

const stamped = bytesOf(5000, true)
const unstamped = bytesOf(5000, false)
const point = bytesOf(1, true)
const unstampedPoint = bytesOf(1, false)
const compressed = await gzip(stamped)
const smallBodies = Array.from({ length: SMALL_WRITES }, (_, i) => bytesOf(1, true, i))
const smallBytes = smallBodies.reduce((sum, { length }) => sum + length, 0)
const search = '?db=telegraf&rp=autogen&precision=ns'
const now = () => '1700000000000000000'
const buffers = new BufferPool()
const clock = { now: () => 0, wallNanoseconds: () => 0n, after: () => () => {} }

function parse(text: string) {
  const destination = v1DestinationOf(text, undefined, '')
  if ('status' in destination) throw new Error(`no destination in ${text}`)
  return destination
}

const destination = parse(search)
const records = smallBodies.map((body) => ({
  kind: 0,
  acceptedAt: 0,
  query: destination.query,
  body,
}))
const segment = encode(records.map(prepare), 0)
const writes: Write[] = smallBodies.map((body) => ({
  kind: 'points',
  destination,
  points: stamp(body, now),
  consistency: 'one',
}))

/** Bytes that the work processes, and the work. */
type Case = readonly [bytes: number, work: () => unknown]

const cases: Record<string, Case> = {
  'stamp: 5,000 points with timestamps': [stamped.length, () => stamp(stamped, now)],
  'stamp: 5,000 points without': [unstamped.length, stampAsRelay],
  'stamp: one point with a timestamp': [point.length, () => stamp(point, now)],
  'stamp: one point without': [unstampedPoint.length, () => stamp(unstampedPoint, now)],
  'time range of 5,000 points': [stamped.length, () => timeRangeOf(stamped, 'ns')],
  'split into datagrams': [stamped.length, () => split(stamped, MTU)],
  'join 400 writes': [smallBytes, () => join(smallBodies)],
  'queue 400 writes, sent at once': [smallBytes, deliver],
  'encode 400 records': [smallBytes, () => encode(records.map(prepare), 0)],
  'decode 400 records': [smallBytes, () => decode(segment)],
  'inflate 5,000 points': [stamped.length, () => gunzip(compressed, LIMIT)],
  'destination of a write': [search.length, () => parse(search)],
}

/** With a buffer that is used again after the write. */
function stampAsRelay(): void {
  const { bytes } = stamp(unstamped, now, buffers)
  buffers.give(bytes)
}

/** A queue whose server answers in the next turn, from the first write until the queue is empty. */
async function deliver(): Promise<void> {
  const queue = new Queue(
    {
      clock,
      buffers: new BufferPool(),
      buffer: undefined,
      timeoutMs: 10_000,
      maxDelayMs: 10_000,
      maxInFlight: 1,
      replayRate: 0,
      maxBatchBytes: 512 * 1024,
      pendingBytes: LIMIT,
      lanesBytes: LIMIT,
    },
    {
      send: async () => ({ verdict: 'stored' }),
      onDiskError: nothing,
      losses: new Losses('bench', clock, createLog(nothing, clock.wallNanoseconds), undefined),
      store: undefined,
    },
  )
  for (const write of writes) queue.append(write, createTracker())
  await queue.whenSafe()
}

function createTracker(): WriteTracker {
  return {
    ownership: 'client',
    isOpen: true,
    note: undefined,
    stored: () => undefined,
    rejected: async () => {},
    recordLoss: async () => {},
    deferred: nothing,
    dropped: nothing,
    spilled: nothing,
    spillFailed: nothing,
    doneReading: nothing,
  }
}

function nothing(): void {}

function decode(bytes: Uint8Array): number {
  let at = 0
  let points = 0
  while (at + HEADER_BYTES <= bytes.length) {
    const header = readHeader(bytes, at)
    const record = header && readRecord(bytes, at, header)
    if (!record) throw new Error('a record that was just written is damaged')
    points += record.body.length
    at += header.bytes
  }
  return points
}

const timings: Record<string, { bytes: number; nanoseconds: number }> = {}
for (const [name, [bytes, work]] of Object.entries(cases)) {
  const { p50 } = await measure(work, { min_cpu_time: Number(process.env.MICRO_MS ?? 300) * 1e6 })
  timings[name] = { bytes, nanoseconds: p50 }
}
console.log(JSON.stringify(timings))
