import { describe, expect, test } from 'vitest'
import { Backend, type BackendOptions } from '../src/backend.ts'
import type { ConsistencyLevel } from '../src/consistency.ts'
import { DeadLetters } from '../src/dead-letters.ts'
import { Ledger } from '../src/ledger.ts'
import { stamp } from '../src/line.ts'
import { createLog } from '../src/log.ts'
import { Losses } from '../src/losses.ts'
import { Relay } from '../src/relay.ts'
import { Store } from '../src/store.ts'
import { v1DestinationOf } from '../src/write.ts'
import { FakeDisk } from './fake-disk.ts'
import {
  answer,
  createFakeRuntime,
  type Handler,
  later,
  refused,
  settle,
  silence,
  stored,
} from './fake-runtime.ts'
import { DEFAULTS, type Sent } from './relay-fixture.ts'
import { seededRandom } from './seeded-random.ts'

type Options = Partial<
  Pick<BackendOptions, 'whenFull' | 'maxAgeMs' | 'bufferBytes' | 'timeoutMs' | 'maxBatchBytes'>
>

/** A relay whose backends all have a buffer on `disk`. */
async function createFixture(
  handlers: Record<string, Handler>,
  disk = new FakeDisk(),
  options: Options = {},
) {
  const runtime = createFakeRuntime(handlers)
  const log = createLog(runtime.writeLog, runtime.clock.wallNanoseconds)
  await disk.makeFolder('data')
  const books = {
    ledger: await Ledger.open(disk, 'data/gaps.jsonl'),
    deadLetters: await DeadLetters.open(disk, 'data/dead-letters'),
  }
  const backends: Backend[] = []
  for (const name of Object.keys(handlers)) {
    const own: BackendOptions = {
      ...DEFAULTS,
      bufferBytes: 100_000,
      ...options,
      name,
      writeUrl: `http://${name}/write`,
    }
    const { whenFull, maxAgeMs } = own
    const losses = new Losses(name, runtime.clock, log, books)
    const damage = (report: object) => runtime.log.push(`damage ${JSON.stringify(report)}`)
    const store = await Store.open(disk, {
      ...{ folder: `data/${name}`, maxBytes: own.bufferBytes, whenFull, maxAgeMs },
      onDamage: damage,
      onLoss: (destination, writes) => losses.damaged(destination, writes),
    })
    backends.push(new Backend(own, runtime, log, { store, lanes: await store.lanes(), losses }))
  }
  const relay = new Relay(backends)
  relay.start()
  return {
    disk,
    runtime,
    relay,
    books,
    async send(
      body: string,
      search = 'db=d',
      consistency: ConsistencyLevel = 'one',
    ): Promise<Sent> {
      const sent: Sent = { status: undefined, answer: undefined }
      const destination = v1DestinationOf(search, undefined, '')
      if (!destination) throw new Error('no database')
      const points = stamp(new TextEncoder().encode(body), () => '1')
      void relay.accept({ destination, points, consistency }).then((given) => {
        sent.answer = given
        sent.status = given.status
      })
      await settle()
      return sent
    },
    bodies: (name: string) => (runtime.received.get(name) ?? []).map(({ body }) => body),
    logged: (text: string) => runtime.log.filter((line) => line.includes(text)),
    syncs: () => disk.counts.get('sync') ?? 0,
  }
}

describe('a backend with a buffer on disk', () => {
  test('does not touch the disk while it answers', async () => {
    const { send, disk } = await createFixture({ a: stored, b: stored })
    const before = disk.operations
    expect(await send('m v=1 1')).toMatchObject({ status: 204 })
    expect(disk.operations).toBe(before)
  })

  test('has its client wait for the disk when it is slow', async () => {
    const { send, runtime, disk } = await createFixture({ a: silence, b: stored })
    const sent = await send('m v=1 1')
    expect(sent.status).toBeUndefined()
    const before = disk.operations
    await runtime.clock.advance(10)
    expect(disk.operations).toBeGreaterThan(before)
    expect(sent.status).toBe(204)
  })

  test('gets everything after a crash of the relay, in order', async () => {
    const first = await createFixture({ a: refused, b: stored })
    for (let i = 0; i < 5; i++)
      expect(await first.send(`m v=${i} ${i}`)).toMatchObject({ status: 204 })
    const disk = first.disk.crash(() => 0)
    const second = await createFixture({ a: stored, b: stored }, disk)
    await settle()
    expect(second.bodies('a')).toEqual(['m v=0 0\nm v=1 1\nm v=2 2\nm v=3 3\nm v=4 4\n'])
    expect(second.bodies('b')).toEqual([])
    const third = await createFixture(
      { a: stored, b: stored },
      second.disk.crash(() => 0),
    )
    await settle()
    expect(third.bodies('a')).toEqual([])
  })

  test('gets new writes only behind those on disk', async () => {
    const a = later()
    let up = false
    const { send, runtime, bodies } = await createFixture({
      a: () => (up ? a.handler() : refused()),
      b: stored,
    })
    await send('m v=1 1')
    up = true
    await runtime.clock.advance(500)
    expect(await send('m v=2 1')).toMatchObject({ status: 204 })
    await a.respond(stored())
    await a.respond(stored())
    expect(bodies('a')).toEqual(['m v=1 1', 'm v=1 1', 'm v=2 1'])
    up = true
    expect(await send('m v=3 1')).toMatchObject({ status: undefined })
    await a.respond(stored())
    expect(bodies('a').at(-1)).toBe('m v=3 1')
  })

  test('is not written to when no backend takes the write', async () => {
    const { send, disk } = await createFixture({ a: refused, b: refused })
    const before = disk.operations
    expect(await send('m v=1 1')).toMatchObject({ status: 503 })
    expect(disk.operations).toBe(before)
  })

  test('leaves the write with its client when the disk fails', async () => {
    const { send, disk, logged } = await createFixture({ a: refused, b: stored })
    disk.fail({ code: 'ENOSPC', kinds: ['write'], times: 100 })
    const { answer: got } = await send('m v=1 1')
    expect(got).toMatchObject({ status: 503, retryAfter: '1' })
    expect(logged('disk failed')).toHaveLength(1)
  })

  test('sets aside, alone, what it rejects after it was acknowledged', async () => {
    let up = false
    const a = ({ body }: { body: string }) =>
      up ? (body.includes('poison') ? answer(400, 'field type conflict') : stored()) : refused()
    const { send, runtime, bodies, disk, books } = await createFixture({ a, b: stored })
    for (const body of ['m v=1 1', 'm poison=1 2', 'm v=3 3']) await send(body)
    up = true
    await runtime.clock.advance(500)
    expect(bodies('a').slice(-3)).toEqual(['m v=1 1', 'm poison=1 2', 'm v=3 3'])
    expect(books.ledger.entries()).toMatchObject([
      { backend: 'a', database: 'd', points: 1, reason: 'rejected', first: 2n, last: 2n },
    ])
    const letters = [...disk.files()].filter(([path]) => path.includes('dead-letters'))
    expect(new TextDecoder().decode(letters[0]?.[1])).toContain('m poison=1 2\n')
  })
})

describe("a lane's file", () => {
  const LANE = 'data/a/lane-1.json'

  test('and its name are synced before a write is acknowledged', async () => {
    for (let seed = 1; seed <= 40; seed++) {
      const first = await createFixture({ a: refused, b: stored })
      expect(await first.send('m v=1 1')).toMatchObject({ status: 204 })
      const disk = first.disk.crash(seededRandom(seed))
      const second = await createFixture({ a: stored, b: stored }, disk)
      await settle()
      expect(second.bodies('a'), `seed ${seed}`).toEqual(['m v=1 1'])
      expect(second.logged('damage')).toEqual([])
    }
  })

  test('that a killed process has left unsynced is synced by the next', async () => {
    for (let seed = 1; seed <= 40; seed++) {
      const first = await createFixture({ a: refused, b: stored })
      first.disk.before = ({ kind, path }) =>
        kind === 'sync' && path === LANE ? new Promise(() => {}) : undefined
      expect(await first.send('m v=1 1')).toMatchObject({ status: undefined })
      const second = await createFixture({ a: refused, b: stored }, first.disk.kill())
      expect(await second.send('m v=2 2')).toMatchObject({ status: 204 })
      const disk = second.disk.crash(seededRandom(seed))
      const third = await createFixture({ a: stored, b: stored }, disk)
      await settle()
      expect(third.bodies('a'), `seed ${seed}`).toEqual(['m v=2 2'])
    }
  })

  test('that a crash has torn before anything was acknowledged is no damage', async () => {
    for (const torn of ['', '{"data', undefined]) {
      const disk = new FakeDisk()
      await disk.makeFolder('data/a/lane-1')
      if (torn !== undefined) disk.put(LANE, new TextEncoder().encode(torn))
      const { send, logged } = await createFixture({ a: refused, b: stored }, disk)
      expect(await send('m v=1 1')).toMatchObject({ status: 204 })
      expect(logged('damage')).toEqual([])
      const second = await createFixture(
        { a: stored, b: stored },
        disk.crash(() => 0),
      )
      await settle()
      expect(second.bodies('a')).toEqual(['m v=1 1'])
      expect(second.logged('damage')).toEqual([])
    }
  })

  test('that is damaged is reported, and the writes beside it stay', async () => {
    const first = await createFixture({ a: refused, b: stored })
    await first.send('m v=1 1')
    const disk = first.disk.kill()
    disk.put(LANE, new Uint8Array([1, 2, 3]))
    const { send, logged } = await createFixture({ a: refused, b: stored }, disk)
    await send('m v=2 2')
    expect(logged('damage')).toHaveLength(1)
    expect(disk.files().has('data/a/lane-1/0000000000000001.segment')).toBe(true)
  })

  test('that the disk refuses leaves its folder to the next attempt', async () => {
    const { send, disk } = await createFixture({ a: refused, b: stored })
    disk.fail({ code: 'ENOSPC', kinds: ['write', 'remove'], path: LANE, times: 2 })
    expect(await send('m v=1 1')).toMatchObject({ status: 503 })
    disk.heal()
    expect(await send('m v=2 2')).toMatchObject({ status: 204 })
    expect([...disk.files().keys()].filter((path) => path.endsWith('.json'))).toEqual([LANE])
  })
})

describe('a damaged buffer on disk', () => {
  const SEGMENT = 'data/a/lane-1/0000000000000001.segment'

  /** Changes the first byte of a line on disk. */
  async function spoil(disk: FakeDisk, line: string) {
    const at = Buffer.from(disk.files().get(SEGMENT) as Uint8Array).indexOf(line)
    expect(at).toBeGreaterThan(0)
    await (await disk.open(SEGMENT)).write(at, new Uint8Array([120]))
  }

  const lacking = (writes: number) => [
    { backend: 'a', database: 'd', first: undefined, points: 0, writes, reason: 'damaged' },
  ]

  test('has the ledger say what is lost, once, and delivers the rest', async () => {
    const first = await createFixture({ a: refused, b: stored })
    for (const body of ['m v=1 1', 'm v=2 2', 'm v=3 3']) await first.send(body)
    const disk = first.disk.crash(() => 0)
    await spoil(disk, 'm v=2 2')
    let up = false
    const second = await createFixture({ a: () => (up ? stored() : refused()), b: stored }, disk)
    expect(second.books.ledger.entries()).toEqual([])
    up = true
    await second.runtime.clock.advance(500)
    expect(second.bodies('a').slice(-2)).toEqual(['m v=1 1', 'm v=3 3'])
    expect(second.books.ledger.entries()).toMatchObject(lacking(1))
    const third = await createFixture({ a: stored, b: stored }, disk.kill())
    expect(third.books.ledger.entries()).toMatchObject(lacking(1))
  })

  test('keeps back what is behind the damage until the ledger has its entry', async () => {
    const first = await createFixture({ a: refused, b: stored })
    for (const body of ['m v=1 1', 'm v=2 2']) await first.send(body)
    const disk = first.disk.crash(() => 0)
    await spoil(disk, 'm v=1 1')
    disk.fail({ code: 'ENOSPC', kinds: ['create'], path: 'gaps', times: 1000 })
    const { runtime, bodies, books } = await createFixture({ a: stored, b: stored }, disk)
    await runtime.clock.advance(5000)
    expect(bodies('a')).toEqual([])
    disk.heal()
    await runtime.clock.advance(10_000)
    expect(bodies('a')).toEqual(['m v=2 2'])
    expect(books.ledger.entries()).toMatchObject([{ reason: 'damaged' }])
  })

  test('tells the client that waits for what is lost', async () => {
    const a = later()
    const { send, runtime, disk, bodies } = await createFixture({ a: a.handler, b: stored })
    await send('m v=1 1')
    await runtime.clock.advance(10)
    const lost = await send('m v=2 2', 'db=d', 'all')
    const kept = await send('m v=3 3', 'db=d', 'all')
    await spoil(disk, 'm v=2 2')
    await a.respond(stored())
    await a.respond(stored())
    expect(bodies('a')).toEqual(['m v=1 1', 'm v=3 3'])
    expect([lost.status, kept.status]).toEqual([503, 204])
  })

  test('that cannot be read for a minute is set aside, and the rest is delivered', async () => {
    const first = await createFixture({ a: refused, b: stored })
    for (const body of ['m v=1 1', 'm v=2 2']) await first.send(body)
    const second = await createFixture({ a: refused, b: stored }, first.disk.kill())
    await second.send('m v=3 3')
    for (const kind of ['read', 'open'] as const) {
      const disk = FakeDisk.of(second.disk.files())
      disk.fail({ code: 'EIO', kinds: [kind], path: SEGMENT, times: 1e6 })
      const { runtime, bodies, books, logged } = await createFixture({ a: stored, b: stored }, disk)
      await runtime.clock.advance(55_000)
      expect(books.ledger.entries()).toEqual([])
      expect(bodies('a')).toEqual([])
      await runtime.clock.advance(30_000)
      expect(bodies('a')).toEqual(['m v=3 3'])
      expect(books.ledger.entries()).toMatchObject(lacking(2))
      expect(logged('damage {')).toHaveLength(1)
      expect(disk.files().has('data/a/lane-1/damaged/0000000000000001.segment')).toBe(true)
    }
  })

  test('that cannot be read for less than a minute is delivered whole', async () => {
    const first = await createFixture({ a: refused, b: stored })
    await first.send('m v=1 1')
    const second = await createFixture({ a: refused, b: stored }, first.disk.kill())
    await second.send('m v=2 2')
    const disk = FakeDisk.of(second.disk.files())
    disk.fail({ code: 'EIO', kinds: ['read'], path: SEGMENT, times: 5 })
    const { runtime, bodies, books } = await createFixture({ a: stored, b: stored }, disk)
    await runtime.clock.advance(120_000)
    expect(bodies('a')).toEqual(['m v=1 1\nm v=2 2\n'])
    expect(books.ledger.entries()).toEqual([])
  })
})

describe('a full buffer on disk', () => {
  const small = { bufferBytes: 400 }
  const line = (i: number) => `m v="${'x'.repeat(100)}" ${i}`

  test('refuses, by default, what it cannot keep', async () => {
    const { send } = await createFixture({ a: refused, b: stored }, new FakeDisk(), small)
    const statuses = []
    for (let i = 0; i < 4; i++) statuses.push((await send(line(i))).status)
    expect(statuses).toEqual([204, 204, 503, 503])
  })

  test('drops the newest if it is told to, and the ledger says which', async () => {
    const { send, books } = await createFixture({ a: refused, b: stored }, new FakeDisk(), {
      ...small,
      whenFull: 'drop-newest',
    })
    for (let i = 0; i < 4; i++) expect(await send(line(i))).toMatchObject({ status: 204 })
    expect(books.ledger.entries()).toMatchObject([
      { first: 2n, last: 3n, points: 2, reason: 'buffer full' },
    ])
  })

  test('drops the oldest if it is told to, and the ledger says which', async () => {
    const { send, books } = await createFixture({ a: refused, b: stored }, new FakeDisk(), {
      ...small,
      whenFull: 'drop-oldest',
    })
    for (let i = 0; i < 4; i++) expect(await send(line(i))).toMatchObject({ status: 204 })
    expect(books.ledger.entries()).toMatchObject([{ first: 0n, reason: 'buffer full' }])
  })

  test('gives up what is too old', async () => {
    const { send, runtime, books, relay } = await createFixture(
      { a: refused, b: stored },
      new FakeDisk(),
      { maxAgeMs: 60_000 },
    )
    await send(line(1))
    await runtime.clock.advance(90_000)
    expect(books.ledger.entries()).toMatchObject([{ points: 1, reason: 'too old' }])
    expect(relay.undeliveredBytes).toBe(0)
  })
})

describe('consistency', () => {
  test.each([
    ['any', [refused, refused], 204],
    ['one', [refused, refused], 503],
    ['one', [stored, refused], 204],
    ['quorum', [stored, refused], 503],
    ['quorum', [stored, stored], 204],
    ['all', [stored, refused], 503],
    ['all', [stored, stored], 204],
  ] as [ConsistencyLevel, [Handler, Handler], number][])(
    '%s, %#',
    async (level, [a, b], status) => {
      const { send } = await createFixture({ a, b })
      expect(await send('m v=1 1', 'db=d', level)).toMatchObject({ status })
    },
  )
})
