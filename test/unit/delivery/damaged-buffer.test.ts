/** Delivery of writes on disk after a fault of the disk or a crash has damaged files. */

import { describe, expect, test } from 'vitest'
import { createDurableFixture as createFixture } from '../../support/durable-fixture.ts'
import { FakeDisk } from '../../support/fake-disk.ts'
import { later, type Received, refused, settle, stored } from '../../support/fake-runtime.ts'
import { writeOf } from '../../support/relay-fixture.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { seeds } from '../../support/seeds.ts'

describe("a lane's file", () => {
  const LANE = 'data/a/lane-1.json'

  test("a lane's file and its name are synced before a write is acknowledged", async () => {
    for (const seed of seeds(40)) {
      const first = await createFixture({ a: refused, b: stored })
      expect(await first.send('m v=1 1')).toMatchObject({ status: 204 })
      const disk = first.disk.crash(seededRandom(seed))
      const second = await createFixture({ a: stored, b: stored }, disk)
      await settle()
      expect(second.bodies('a'), `seed ${seed}`).toEqual(['m v=1 1'])
      expect(second.logged('buffer is damaged')).toEqual([])
    }
  })

  test("a lane's file that a killed process has not synced is not relied on by the next", async () => {
    for (const seed of seeds(40)) {
      const first = await createFixture({ a: refused, b: stored })
      first.disk.before = ({ kind, path }) =>
        kind === 'sync' && path.startsWith(LANE) ? new Promise(() => {}) : undefined
      expect(await first.send('m v=1 1')).toMatchObject({ status: undefined })
      const second = await createFixture({ a: refused, b: stored }, first.disk.kill())
      expect(await second.send('m v=2 2')).toMatchObject({ status: 204 })
      const disk = second.disk.crash(seededRandom(seed))
      const third = await createFixture({ a: stored, b: stored }, disk)
      await settle()
      expect(third.bodies('a'), `seed ${seed}`).toEqual(['m v=2 2'])
    }
  })

  test("a lane's file whose sync has failed is not relied on by the next process", async () => {
    for (const seed of seeds(40)) {
      const first = await createFixture({ a: refused, b: stored })
      first.disk.fail({ code: 'EIO', kinds: ['sync'], path: 'lane-1.json' })
      first.disk.before = ({ kind, path }) =>
        kind === 'remove' && path.startsWith(LANE) && first.disk.counts.has('sync')
          ? new Promise(() => {})
          : undefined
      expect(await first.send('m v=1 1')).toMatchObject({ status: undefined })
      const second = await createFixture({ a: refused, b: stored }, first.disk.kill())
      expect(await second.send('m v=2 2')).toMatchObject({ status: 204 })
      const disk = second.disk.crash(seededRandom(seed))
      const third = await createFixture({ a: stored, b: stored }, disk)
      await settle()
      expect(third.bodies('a'), `seed ${seed}`).toEqual(['m v=2 2'])
    }
  })

  test("a lane's file that a crash has torn is no damage while the lane is empty", async () => {
    for (const torn of ['', '{"data', undefined]) {
      const disk = new FakeDisk()
      await disk.makeFolder('data/a/lane-1')
      if (torn !== undefined) disk.put(LANE, new TextEncoder().encode(torn))
      const { send, logged } = await createFixture({ a: refused, b: stored }, disk)
      expect(await send('m v=1 1')).toMatchObject({ status: 204 })
      expect(logged('buffer is damaged')).toEqual([])
      const second = await createFixture(
        { a: stored, b: stored },
        disk.crash(() => 0),
      )
      await settle()
      expect(second.bodies('a')).toEqual(['m v=1 1'])
      expect(second.logged('buffer is damaged')).toEqual([])
    }
  })

  test.each(['', '{"db', '{"db":"x","rp":"","authorization":null}\n', 'missing'])(
    "a lane's file with the text %j is logged and made anew, and its writes are delivered",
    async (text) => {
      const first = await createFixture({ a: refused, b: stored })
      const send = ({ accept }: typeof first, body: string) =>
        accept(writeOf(body, 'db=d&rp=r', 'Basic abc'))
      for (const body of ['m v=1 1', 'm v=2 2']) await send(first, body)
      const { disk } = first
      const whole = disk.files().get(LANE)
      if (text === 'missing') await disk.remove(LANE)
      else disk.put(LANE, new TextEncoder().encode(text))
      const second = await createFixture({ a: refused, b: stored }, disk.kill())
      expect(second.logged('buffer is damaged')).toHaveLength(1)
      expect(second.disk.files().get(LANE)).toEqual(whole)
      await send(second, 'm v=3 3')
      const third = await createFixture(
        { a: stored, b: stored },
        second.disk.crash(() => 0),
      )
      await settle()
      expect(third.logged('buffer is damaged')).toEqual([])
      expect(third.ledger.entries()).toEqual([])
      expect(third.bodies('a')).toEqual(['m v=1 1\nm v=2 2\nm v=3 3\n'])
      const [{ headers, query }] = third.runtime.received.get('a') as [Received]
      expect(headers.authorization).toBe('Basic abc')
      expect(query.toString()).toBe('db=d&rp=r')
    },
  )

  test("a damaged lane's file whose records are all damaged, too, does not prevent the start", async () => {
    const first = await createFixture({ a: refused, b: stored })
    for (const body of ['m v=1 1', 'm v=2 2']) await first.send(body)
    const { disk } = first
    disk.put(LANE, new Uint8Array([1, 2, 3]))
    disk.put('data/a/lane-1/0000000000000001.segment', new Uint8Array(100).fill(7))
    const second = await createFixture({ a: stored, b: stored }, disk.kill())
    await settle()
    expect(second.ledger.entries()).toMatchObject([{ database: '', reason: 'damaged' }])
    expect(await second.send('m v=3 3')).toMatchObject({ status: 204 })
    expect(second.bodies('a')).toEqual(['m v=3 3'])
  })

  test('files of a lane that could not be created are removed later', async () => {
    let up = false
    const a = () => (up ? stored() : refused())
    const { send, disk, runtime } = await createFixture({ a, b: stored })
    disk.fail({ code: 'ENOSPC', kinds: ['write', 'remove'], path: LANE, times: 2 })
    expect(await send('m v=1 1')).toMatchObject({ status: 503 })
    disk.heal()
    expect(await send('m v=2 2')).toMatchObject({ status: 204 })
    up = true
    await runtime.clock.advance(5000)
    expect([...disk.files().keys()].filter((path) => path.includes('lane'))).toEqual([])
  })
})

describe('a damaged segment', () => {
  const SEGMENT = 'data/a/lane-1/0000000000000001.segment'

  /** Changes the first byte of a line on disk. */
  async function damage(disk: FakeDisk, line: string) {
    const at = Buffer.from(disk.files().get(SEGMENT) as Uint8Array).indexOf(line)
    expect(at).toBeGreaterThan(0)
    await (await disk.open(SEGMENT)).write(at, new Uint8Array([120]))
  }

  const lacking = (writes: number) => [
    { backend: 'a', database: 'd', first: undefined, points: 0, writes, reason: 'damaged' },
  ]

  test('the loss of a damaged record is recorded once, and the other records are delivered', async () => {
    const first = await createFixture({ a: refused, b: stored })
    for (const body of ['m v=1 1', 'm v=2 2', 'm v=3 3']) await first.send(body)
    const disk = first.disk.crash(() => 0)
    await damage(disk, 'm v=2 2')
    let up = false
    const second = await createFixture({ a: () => (up ? stored() : refused()), b: stored }, disk)
    expect(second.ledger.entries()).toEqual([])
    up = true
    await second.runtime.clock.advance(500)
    expect(second.bodies('a').slice(-2)).toEqual(['m v=1 1', 'm v=3 3'])
    expect(second.ledger.entries()).toMatchObject(lacking(1))
    const third = await createFixture({ a: stored, b: stored }, disk.kill())
    expect(third.ledger.entries()).toMatchObject(lacking(1))
  })

  test('records behind damage wait until the gap ledger has the loss', async () => {
    const first = await createFixture({ a: refused, b: stored })
    for (const body of ['m v=1 1', 'm v=2 2']) await first.send(body)
    const disk = first.disk.crash(() => 0)
    await damage(disk, 'm v=1 1')
    disk.fail({ code: 'ENOSPC', kinds: ['create'], path: 'gaps', times: 1000 })
    const { runtime, bodies, ledger } = await createFixture({ a: stored, b: stored }, disk)
    await runtime.clock.advance(5000)
    expect(bodies('a')).toEqual([])
    disk.heal()
    await runtime.clock.advance(10_000)
    expect(bodies('a')).toEqual(['m v=2 2'])
    expect(ledger.entries()).toMatchObject([{ reason: 'damaged' }])
  })

  test('the client of a write lost to damage gets 503', async () => {
    const a = later()
    const { send, runtime, disk, bodies } = await createFixture({ a: a.handler, b: stored })
    await send('m v=1 1')
    await runtime.clock.advance(10)
    const lost = await send('m v=2 2', 'db=d', 'all')
    const intact = await send('m v=3 3', 'db=d', 'all')
    await damage(disk, 'm v=2 2')
    await a.respond(stored())
    await a.respond(stored())
    expect(bodies('a')).toEqual(['m v=1 1', 'm v=3 3'])
    expect([lost.status, intact.status]).toEqual([503, 204])
  })

  test('a segment that cannot be read for a minute is set aside, and the others are delivered', async () => {
    const first = await createFixture({ a: refused, b: stored })
    for (const body of ['m v=1 1', 'm v=2 2']) await first.send(body)
    const second = await createFixture({ a: refused, b: stored }, first.disk.kill())
    await second.send('m v=3 3')
    for (const kind of ['read', 'open'] as const) {
      const disk = FakeDisk.of(second.disk.files())
      disk.fail({ code: 'EIO', kinds: [kind], path: SEGMENT, times: 1e6 })
      const { runtime, bodies, ledger, logged } = await createFixture(
        { a: stored, b: stored },
        disk,
      )
      await runtime.clock.advance(55_000)
      expect(ledger.entries()).toEqual([])
      expect(bodies('a')).toEqual([])
      await runtime.clock.advance(30_000)
      expect(bodies('a')).toEqual(['m v=3 3'])
      expect(ledger.entries()).toMatchObject(lacking(2))
      expect(logged('buffer is damaged')).toHaveLength(1)
      expect(disk.files().has('data/a/lane-1/damaged/0000000000000001.segment')).toBe(true)
    }
  })

  test('a segment that cannot be read for less than a minute is delivered whole', async () => {
    const first = await createFixture({ a: refused, b: stored })
    await first.send('m v=1 1')
    const second = await createFixture({ a: refused, b: stored }, first.disk.kill())
    await second.send('m v=2 2')
    const disk = FakeDisk.of(second.disk.files())
    disk.fail({ code: 'EIO', kinds: ['read'], path: SEGMENT, times: 5 })
    const { runtime, bodies, ledger } = await createFixture({ a: stored, b: stored }, disk)
    await runtime.clock.advance(120_000)
    expect(bodies('a')).toEqual(['m v=1 1\nm v=2 2\n'])
    expect(ledger.entries()).toEqual([])
  })
})
