/** The folders of a backend's lanes under faults of the disk and crashes at every operation. */

import { describe, expect, test } from 'vitest'
import { LANE_BYTES } from '../../../src/delivery/lane-folder.ts'
import { LaneStore } from '../../../src/delivery/lane-store.ts'
import { type Destination, v1DestinationOf } from '../../../src/influxdb/destination.ts'
import type { StoredRecord } from '../../../src/segments/reader.ts'
import type { SegmentLog } from '../../../src/segments/segment-log.ts'
import { createDurableFixture } from '../../support/durable-fixture.ts'
import { FakeDisk, type OperationKind } from '../../support/fake-disk.ts'
import { later, refused, settle, stored } from '../../support/fake-runtime.ts'
import { record } from '../../support/log-fixture.ts'
import { PoisoningPool } from '../../support/poisoning-pool.ts'
import { type Sent, writeOf } from '../../support/relay-fixture.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { seeds } from '../../support/seeds.ts'

const TIMEOUT_MS = 60_000

const SEARCHES = ['db=d', 'db=e']

/** The writes to each destination that were acknowledged. */
class Clients {
  private readonly acknowledged = new Map<string, number[]>(SEARCHES.map((one) => [one, []]))
  private last = 0

  /** Writes to both destinations at the same time, as one process of the relay does. */
  async use(disk: FakeDisk): Promise<void> {
    const store = await this.open(disk)
    const lanes = store.lanes
    const writeAll = async (search: string) => {
      const destination = v1DestinationOf(search, undefined, '') as Destination
      let log: SegmentLog | undefined
      log = lanes.find((lane) => lane.destination.laneKey === destination.laneKey)?.logs.at(-1)
      for (let i = 0; i < 4; i++) {
        const id = ++this.last
        try {
          log ??= await store.createLane({ destination, order: 0 })
          await log.append([{ ...record(id, 20), query: destination.query }])
          this.acknowledged.get(search)?.push(id)
        } catch {
          // The write is not acknowledged.
        }
      }
    }
    await Promise.all(SEARCHES.map(writeAll))
  }

  /** Expects each acknowledged write to be there, once and in order. */
  async check(disk: FakeDisk, hint: string): Promise<void> {
    const store = await this.open(disk)
    const lanes = store.lanes
    expect(new Set(lanes.map(({ destination }) => destination.laneKey)).size, hint).toBe(
      lanes.length,
    )
    for (const [search, ids] of this.acknowledged) {
      const lane = lanes.find(({ destination }) => destination.query === search)
      const found: number[] = []
      for (const log of lane?.logs ?? []) found.push(...(await drain(log)))
      expect(found, hint).toEqual([...new Set(found)].sort((a, b) => a - b))
      const missing = ids.filter((id) => !found.includes(id))
      expect(missing, hint).toEqual([])
    }
    await store.close()
  }

  private open(disk: FakeDisk): Promise<LaneStore> {
    return LaneStore.open(disk, {
      ...{ folder: 'b', maxBytes: 1e9, whenFull: 'reject', maxAgeMs: undefined },
      buffers: new PoisoningPool(),
      onDamage: () => {},
      // It also counts writes that may be lost, such as one whose sync failed.
      onLoss: async () => {},
    })
  }
}

/** The ids of all records in a log, which are removed. */
async function drain(log: SegmentLog): Promise<number[]> {
  const ids: number[] = []
  for (let found = await log.peek(1e6); found.length > 0; found = await log.peek(1e6)) {
    ids.push(...found.map(({ body }) => Number.parseInt(new TextDecoder().decode(body), 10)))
    await log.advance(found.at(-1) as StoredRecord)
  }
  return ids
}

describe('two lanes that are created at the same time', () => {
  /** Fails some operations in a row and cuts the power. Resolves with whether anything has failed. */
  async function failAt(nth: number, times: number, seed: number): Promise<boolean> {
    const disk = new FakeDisk()
    await disk.makeFolder('b')
    disk.fail({ code: 'EIO', path: 'b/lane', nth, times })
    const clients = new Clients()
    await clients.use(disk)
    const hint = `operation ${nth}, ${times} in a row, seed ${seed}`
    const left = seed === 0 ? disk.kill() : disk.crash(seededRandom(seed))
    await clients.check(left, hint)
    return disk.operations > nth
  }

  test('lanes created at the same time keep all their writes after any fault and a crash', async () => {
    let nth = 1
    for (let goesOn = true; goesOn; nth++) {
      for (const times of [1, 2, 7]) {
        for (const seed of [0, ...seeds(7)]) goesOn = await failAt(nth, times, seed)
      }
    }
    expect(nth).toBeGreaterThan(20)
  })

  const anywhere = 'b/lane'
  const faults: readonly (readonly [OperationKind, string])[] = [
    ...(['makeFolder', 'create', 'remove', 'rename', 'syncFolder'] as const).map(
      (kind) => [kind, anywhere] as const,
    ),
    ...(['write', 'truncate', 'sync', 'close'] as const).map((kind) => [kind, anywhere] as const),
    ...(['open', 'read'] as const).map((kind) => [kind, '.json'] as const),
    ...(['open', 'read', 'sync'] as const).map((kind) => [kind, 'head'] as const),
  ]

  test('lanes created at the same time keep all their writes through several crashes', {
    timeout: TIMEOUT_MS,
  }, async () => {
    for (const seed of seeds(1500)) {
      const random = seededRandom(seed)
      const clients = new Clients()
      let disk = new FakeDisk()
      for (let life = 0; life < 4; life++) {
        for (let count = Math.floor(random() * 4); count > 0; count--) {
          const [kind, path] = faults[Math.floor(random() * faults.length)] as (typeof faults)[0]
          const [nth, times] = [1 + Math.floor(random() * 8), 1 + Math.floor(random() * 4)]
          disk.fail({ code: 'EIO', kinds: [kind], path, nth, times })
        }
        const stopped = disk.stopAt(1 + Math.floor(random() * 120), random)
        await Promise.race([stopped, clients.use(disk).catch(() => {})])
        disk = random() < 0.5 ? disk.kill() : disk.crash(random)
      }
      await clients.check(disk, `seed ${seed}`)
    }
  })
})

/** A disk on which one destination has several folders, each with some writes. */
async function diskWith(folders: Record<string, string[]>): Promise<FakeDisk> {
  const disk = new FakeDisk()
  for (const [lane, bodies] of Object.entries(folders)) {
    const { send, disk: own } = await createDurableFixture({ a: refused, b: stored })
    for (const body of ['m none=0 0', ...bodies]) await send(body)
    await disk.makeFolder(`data/a/${lane}`)
    for (const [path, bytes] of own.files()) {
      const isWanted = bodies.length > 0 ? path.startsWith('data/a/lane') : path.endsWith('.json')
      if (isWanted) disk.put(path.replace('lane-1', lane), bytes)
    }
  }
  return disk
}

describe('a destination with several folders', () => {
  const twoFull = () => diskWith({ 'lane-10': ['m v=2 1'], 'lane-9': ['m v=1 1'] })
  const OLD = ['m none=0 0', 'm v=1 1', 'm none=0 0', 'm v=2 1']
  const singly = { maxBatchBytes: 1 }

  test('of two folders of a destination the older is delivered first, and new writes last', async () => {
    let up = false
    const a = () => (up ? stored() : refused())
    const { send, runtime, bodies, relay } = await createDurableFixture(
      { a, b: stored },
      await twoFull(),
      singly,
    )
    expect(await send('m v=3 1')).toMatchObject({ status: 204 })
    up = true
    await runtime.clock.advance(60_000)
    expect(bodies('a').slice(1)).toEqual([...OLD, 'm v=3 1'])
    expect(relay.undeliveredBytes).toBe(0)
    expect(await send('m v=4 1')).toMatchObject({ status: 204 })
    expect(bodies('a').at(-1)).toBe('m v=4 1')
  })

  test('of two folders of a destination the older is never delivered last, whenever the power is cut', async () => {
    for (let count = 1; count <= 5; count++) {
      for (const seed of seeds(10)) {
        let left = count
        const a = () => (left-- > 0 ? stored() : refused())
        const whole = await twoFull()
        // In half of the cases, the head at the end of the older log is not saved.
        if (seed % 2) whole.fail({ code: 'EIO', kinds: ['write'], path: 'lane-9/head', nth: 3 })
        const first = await createDurableFixture({ a, b: stored }, whole, singly)
        await first.runtime.clock.advance(1000)
        const disk = first.disk.crash(seededRandom(seed))
        const second = await createDurableFixture({ a: stored, b: stored }, disk, singly)
        await second.runtime.clock.advance(1)
        const again = second.bodies('a')
        expect(OLD.slice(OLD.length - again.length), `${count}, seed ${seed}`).toEqual(again)
        expect(again.length).toBeGreaterThanOrEqual(OLD.length - count)
      }
    }
  })

  test('of two folders of a destination the older is dropped first', async () => {
    const { send, ledger, bodies, runtime } = await createDurableFixture(
      { a: refused, b: stored },
      await twoFull(),
      { bufferBytes: 2 * (LANE_BYTES + 4096), whenFull: 'drop-oldest' },
    )
    expect(await send('m v=3 1')).toMatchObject({ status: 204 })
    expect(ledger.entries()).toMatchObject([{ points: 2, reason: 'buffer full' }])
    await runtime.clock.advance(1000)
    expect(bodies('a').at(-1)).toBe('m none=0 0\nm v=2 1\nm v=3 1\n')
  })

  test('empty folders of a destination are removed', async () => {
    const disk = await diskWith({ 'lane-1': [], 'lane-2': ['m v=1 1'], 'lane-3': [] })
    const { bodies, runtime } = await createDurableFixture({ a: stored, b: stored }, disk)
    expect(lanesOn(disk)).toEqual(['data/a/lane-2', 'data/a/lane-2.json'])
    await runtime.clock.advance(1)
    expect(bodies('a')).toEqual(['m none=0 0\nm v=1 1\n'])
  })
})

/** The folders and files of lanes. */
function lanesOn(disk: FakeDisk): string[] {
  return [...disk.folders(), ...disk.files().keys()].filter((path) => /\/lane-[^/]*$/.test(path))
}

describe('a lane that is drained', () => {
  test('leaves nothing on disk and no open file', async () => {
    let up = false
    const a = () => (up ? stored() : refused())
    const { send, runtime, disk, relay } = await createDurableFixture({ a, b: stored })
    const files = disk.openFiles
    for (const search of ['db=d', 'db=e', 'db=f&rp=r']) await send('m v=1 1', search)
    expect(lanesOn(disk)).toHaveLength(6)
    up = true
    await runtime.clock.advance(10_000)
    expect(relay.undeliveredBytes).toBe(0)
    expect(lanesOn(disk)).toEqual([])
    expect(disk.openFiles).toBe(files)
    expect(relay.backends[0]?.queue.store?.diskBytes).toBe(0)
  })

  test('leaves nothing on disk after a stop', async () => {
    let up = false
    const a = () => (up ? stored() : refused())
    const { send, runtime, disk, relay } = await createDurableFixture({ a, b: stored })
    await send('m v=1 1')
    up = true
    await runtime.clock.advance(501)
    expect(lanesOn(disk)).not.toEqual([])
    await relay.close()
    expect(lanesOn(disk)).toEqual([])
  })

  test('keeps its files while writes come', async () => {
    const answers = later()
    const { send, runtime, disk } = await createDurableFixture({ a: answers.handler, b: stored })
    for (let i = 0; i < 20; i++) {
      await send(`m v=${i} ${i}`)
      await runtime.clock.advance(500)
      await answers.respond(stored())
    }
    expect(lanesOn(disk)).toEqual(['data/a/lane-1', 'data/a/lane-1.json'])
  })

  test('loses no write that comes while its files are removed, at any operation', async () => {
    for (let nth = 1; nth <= 25; nth++) {
      let up = false
      const a = () => (up ? stored() : refused())
      const first = await createDurableFixture({ a, b: stored })
      const { send, runtime, disk } = first
      await send('m v=1 1')
      up = true
      await runtime.clock.advance(501)
      let left = nth
      const sent: Promise<Sent>[] = []
      disk.before = () => {
        if (--left !== 0) return
        up = false
        sent.push(send('m v=2 2'))
      }
      await runtime.clock.advance(2100)
      if (sent.length === 0) sent.push(send('m v=2 2'))
      await settle()
      expect(await sent[0], `operation ${nth}`).toMatchObject({ status: 204 })
      const next = await createDurableFixture(
        { a: stored, b: stored },
        disk.crash(() => 0),
      )
      await next.runtime.clock.advance(1)
      const all = [...first.bodies('a'), ...next.bodies('a')]
      expect(all.at(-1), `operation ${nth}`).toBe('m v=2 2')
      await next.runtime.clock.advance(3000)
      expect(lanesOn(next.disk), `operation ${nth}`).toEqual([])
    }
  })

  test('can be removed by the next start, wherever the power is cut', async () => {
    for (let nth = 1; nth <= 25; nth++) {
      for (const seed of seeds(8)) {
        let up = false
        const a = () => (up ? stored() : refused())
        const { send, runtime, disk } = await createDurableFixture({ a, b: stored })
        await send('m v=1 1')
        up = true
        await runtime.clock.advance(501)
        const random = seededRandom(seed)
        void disk.stopAt(nth, random)
        await runtime.clock.advance(2100)
        const next = await createDurableFixture({ a: refused, b: stored }, disk.crash(random))
        await next.runtime.clock.advance(3000)
        expect(next.ledger.entries()).toEqual([])
        expect(next.logged('buffer is damaged')).toEqual([])
        expect(await next.send('m v=2 2')).toMatchObject({ status: 204 })
        const last = await createDurableFixture({ a: stored, b: stored }, next.disk.kill())
        await last.runtime.clock.advance(1)
        expect(last.bodies('a').join('\n')).toMatch(/^(m v=1 1\n)?m v=2 2\n?$/)
        await last.runtime.clock.advance(3000)
        expect(lanesOn(last.disk), `operation ${nth}, seed ${seed}`).toEqual([])
      }
    }
  })

  test('is removed at once if another lane needs its room', async () => {
    let up = false
    const a = () => (up ? stored() : refused())
    const { send, runtime } = await createDurableFixture({ a, b: stored }, undefined, {
      bufferBytes: LANE_BYTES + 4096,
    })
    await send('m v=1 1')
    expect(await send('m v=2 2', 'db=e')).toMatchObject({ status: 503 })
    up = true
    await runtime.clock.advance(501)
    up = false
    expect(await send('m v=2 2', 'db=e')).toMatchObject({ status: 204 })
  })
})

describe('the bound of a buffer on disk', () => {
  test('is on what tiny writes to many lanes take on the file system', async () => {
    const bufferBytes = 1_000_000
    const { send, disk, relay } = await createDurableFixture({ a: refused, b: stored }, undefined, {
      bufferBytes,
    })
    let stored204 = 0
    for (let i = 0; i < 60; i++) {
      if ((await send('m v=1 1', `db=d${i}`)).status === 204) stored204++
    }
    expect(stored204).toBe(Math.floor(bufferBytes / (LANE_BYTES + 4096)))
    expect(disk.allocated('data/a')).toBeLessThanOrEqual(bufferBytes)
    expect(disk.allocated('data/a')).toBe(relay.backends[0]?.queue.store?.diskBytes)
  })

  test('is counted anew by the next process', async () => {
    const first = await createDurableFixture({ a: refused, b: stored })
    for (let i = 0; i < 5; i++) await first.send(`m v="${'x'.repeat(i * 3000)}" 1`, `db=d${i % 3}`)
    const second = await createDurableFixture({ a: refused, b: stored }, first.disk.kill())
    const { store } = second.relay.backends[0]?.queue ?? {}
    expect(store?.diskBytes).toBe(second.disk.allocated('data/a'))
    expect(store?.bytes).toBe(first.relay.backends[0]?.queue.store?.bytes)
  })
})

test('an empty lane that the disk does not remove at the start is counted, and removed later', async () => {
  const first = await createDurableFixture({ a: refused, b: stored })
  const store = first.relay.backends[0]?.queue.store
  await store?.createLane({ destination: writeOf('m v=1 1').destination, order: 0 })
  const disk = first.disk.kill()
  disk.fail({ code: 'EIO', kinds: ['remove'], path: 'data/a' })
  const second = await createDurableFixture({ a: refused, b: stored }, disk)
  const next = second.relay.backends[0]?.queue.store
  expect(next?.diskBytes).toBe(disk.allocated('data/a'))
  expect(await next?.removeLeftover()).toBe(true)
  expect(next?.diskBytes).toBe(0)
  expect(lanesOn(disk)).toEqual([])
})

describe("a lane's file that cannot be read", () => {
  test("a lane's file that cannot be read once is read again", async () => {
    const first = await createDurableFixture({ a: refused, b: stored })
    await first.send('m v=1 1')
    const disk = first.disk.kill()
    disk.fail({ code: 'EIO', kinds: ['read'], path: 'lane-1.json' })
    const { bodies, runtime, ledger } = await createDurableFixture({ a: stored, b: stored }, disk)
    await runtime.clock.advance(1)
    expect(bodies('a')).toEqual(['m v=1 1'])
    expect(ledger.entries()).toEqual([])
  })

  test('the writes of a lane whose file cannot be read are delivered', async () => {
    const first = await createDurableFixture({ a: refused, b: stored })
    await first.send('m v=1 1')
    const disk = first.disk.kill()
    disk.fail({ code: 'EIO', path: 'lane-1.json', times: 1e6 })
    const second = await createDurableFixture({ a: refused, b: stored }, disk)
    expect(second.ledger.entries()).toEqual([])
    expect(second.logged('buffer is damaged')).toHaveLength(1)
    expect(await second.send('m v=2 2')).toMatchObject({ status: 204 })
    const third = await createDurableFixture({ a: stored, b: stored }, second.disk.kill())
    await third.runtime.clock.advance(1)
    expect(third.bodies('a')).toEqual(['m v=1 1\nm v=2 2\n'])
  })

  test("a lane's file that cannot be read, nor its segments, stops the start, and nothing is lost", async () => {
    const disk = await diskWith({ 'lane-2': ['m v=1 1'] })
    disk.fail({ code: 'EIO', kinds: ['read'], path: 'lane-2', times: 1e6 })
    const advice = /lane-2\.json is damaged, .* move both away to start without them/
    await expect(createDurableFixture({ a: stored, b: stored }, disk)).rejects.toThrow(advice)
    const later = await createDurableFixture({ a: stored, b: stored }, disk.kill())
    expect(await later.send('m v=2 1')).toMatchObject({ status: 204 })
    await later.runtime.clock.advance(1)
    expect(later.bodies('a').join('')).toBe('m none=0 0\nm v=1 1\nm v=2 1')
    expect(later.ledger.entries()).toEqual([])
  })

  test('the folder of a lane whose file cannot be read is not used again', async () => {
    const disk = await diskWith({ 'lane-1': [] })
    disk.fail({ code: 'EIO', path: 'lane-1.json', times: 1e6 })
    const { send } = await createDurableFixture({ a: refused, b: stored }, disk)
    expect(await send('m v=1 1')).toMatchObject({ status: 204 })
  })
})
