import { expect, test } from 'vitest'
import { LaneStore } from '../../../src/delivery/lane-store.ts'
import type { Write } from '../../../src/influxdb/write.ts'
import { createDurableFixture } from '../../support/durable-fixture.ts'
import { FakeDisk } from '../../support/fake-disk.ts'
import { later, refused, stored } from '../../support/fake-runtime.ts'
import { PoisoningPool } from '../../support/poisoning-pool.ts'
import { createFixture, writeOf } from '../../support/relay-fixture.ts'

const remoteWriteOf = (text: string): Write => ({ ...writeOf(text), kind: 'remote-write' })

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
  expect(bodies('a')).toEqual(['m v=1 1', 's v=2 2\ns v=3 3\n', 'm v=4 4'])
})

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
