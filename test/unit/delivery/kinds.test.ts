import { expect, test, vi } from 'vitest'
import { LaneStore } from '../../../src/delivery/lane-store.ts'
import { opaque, type Write } from '../../../src/influxdb/write.ts'
import { createDurableFixture } from '../../support/durable-fixture.ts'
import { FakeDisk } from '../../support/fake-disk.ts'
import { answer, type Handler, later, refused, stored } from '../../support/fake-runtime.ts'
import { PoisoningPool } from '../../support/poisoning-pool.ts'
import { createFixture, writeOf } from '../../support/relay-fixture.ts'

/** Any bytes: the relay does not read them. */
const remoteWriteOf = (text: string): Write => {
  const { points, ...write } = writeOf(text)
  return { ...write, kind: 'remote-write', points: opaque(points.bytes) }
}

test('writes of different kinds are not batched in memory', async () => {
  const a = later()
  const { accept, send, bodies } = await createFixture({ a: a.handler })
  for (const body of ['m v=0 0', 'm v=1 1', 'm v=2 2']) await send(body)
  await accept(remoteWriteOf('s v=3 3'))
  await send('m v=4 4')
  for (let i = 0; i < 4; i++) await a.respond(stored())
  expect(bodies('a')).toEqual(['m v=0 0', 'm v=1 1\nm v=2 2\n', 's v=3 3', 'm v=4 4'])
})

test('writes of different kinds are not batched from disk, also after a restart', async () => {
  const first = await createDurableFixture({ a: refused, b: stored })
  await first.send('m v=1 1')
  await first.accept(remoteWriteOf('s v=2 2'))
  await first.accept(remoteWriteOf('s v=3 3'))
  await first.send('m v=4 4')
  const { bodies, runtime } = await createDurableFixture(
    { a: stored, b: stored },
    first.disk.kill(),
  )
  await runtime.clock.advance(1)
  expect(bodies('a')).toEqual(['m v=1 1', 's v=2 2', 's v=3 3', 'm v=4 4'])
})

test('remote writes are sent alone, to their own endpoint, from memory and from disk', async () => {
  const a = later()
  const memory = await createFixture({ a: a.handler })
  const bodies = ['p1 0', 'p2 1', 'p3 2']
  for (const body of bodies) await memory.accept(remoteWriteOf(body))
  for (let i = 0; i < 3; i++) await a.respond(stored())
  expect(memory.bodies('a')).toEqual(bodies)

  const first = await createDurableFixture({ a: refused, b: stored })
  for (const body of bodies) await first.accept(remoteWriteOf(body))
  const { runtime } = await createDurableFixture({ a: stored, b: stored }, first.disk.kill())
  await runtime.clock.advance(1)
  const received = runtime.received.get('a') ?? []
  expect(received.map(({ body }) => body)).toEqual(bodies)
  expect(received[0]).toMatchObject({
    url: 'http://a/api/v1/prom/write?db=d',
    headers: { 'content-type': 'application/x-protobuf', 'content-encoding': 'snappy' },
  })
})

test('a lost remote write is entered in the ledger as a write, without points and times', async () => {
  const { accept, ledger, logged } = await createDurableFixture({
    a: () => answer(400, 'partial write: no dropped=7'),
    b: stored,
  })
  await accept(remoteWriteOf('m v=1 1\nm v=2 2'))
  const none = { first: undefined, last: undefined, points: 0 }
  expect(ledger.entries()).toMatchObject([{ backend: 'a', ...none, writes: 1 }])
  expect(logged('backend lacks points that another has')).toMatchObject([
    expect.stringContaining(' writes=1'),
  ])
})

test.each([
  ['memory', stored],
  ['disk', refused],
])(
  'a remote write that one server rejects and another takes in part is entered, from %s',
  async (from, early) => {
    const partial: Handler = () => answer(400, 'partial write: no dropped=7')
    const whole: Handler = () => answer(400, 'not now')
    let b: Handler = from === 'memory' ? whole : early
    const { accept, ledger, runtime } = await createDurableFixture({
      a: partial,
      b: (request) => b(request),
    })
    await accept(remoteWriteOf('m v=1 1'))
    b = whole
    await runtime.clock.advance(1000)
    const entry = { backend: 'b', points: 0, writes: 1 }
    await vi.waitFor(() => expect(ledger.entries()).toMatchObject([entry]))
  },
)

test('a record of an unknown kind stays on disk and blocks its lane alone', async () => {
  const disk = new FakeDisk()
  await disk.makeFolder('data')
  const store = await LaneStore.open(disk, {
    ...{ folder: 'data/a', maxBytes: 1e6, whenFull: 'reject', maxAgeMs: undefined },
    buffers: new PoisoningPool(),
    onDamage: () => {},
    onLoss: async () => {},
  })
  const { destination, points } = writeOf('x v=1 1')
  const log = await store.createLane({ destination, order: 0 })
  const record = { acceptedAt: 0, query: destination.query, body: points.bytes }
  await log.append([
    { ...record, kind: 9 },
    { ...record, kind: 0 },
  ])
  await store.close()
  const { bodies, logged, runtime, send, relay } = await createDurableFixture(
    { a: stored, b: stored },
    disk,
  )
  await runtime.clock.advance(1000)
  expect(bodies('a')).toEqual([])
  expect(logged('a record of kind 9 needs a newer version of the relay')).not.toEqual([])
  expect(relay.undeliveredBytes).toBeGreaterThan(0)
  expect(await send('m v=3 3', 'db=other')).toMatchObject({ status: 204 })
  expect(bodies('a')).toEqual(['m v=3 3'])
})
