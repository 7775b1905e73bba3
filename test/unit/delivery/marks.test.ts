import { expect, test } from 'vitest'
import { FakeDisk } from '../../support/fake-disk.ts'
import { later, refused, settle, stored } from '../../support/fake-runtime.ts'
import { createFixture } from '../../support/relay-fixture.ts'

const D = new Set(['d'])

test('a mark is reached when the backend has applied a write, and not when the write is spilled', async () => {
  const a = later()
  const options = { bufferBytes: 100_000 }
  const { relay, send, runtime } = await createFixture(
    { a: a.handler, b: stored },
    options,
    new FakeDisk(),
  )
  const queue = relay.backends[0]?.queue
  const sent = await send('m v=1 1')
  expect(sent.status).toBeUndefined()
  const [mark] = queue?.marks(D) ?? []
  expect(mark?.isReached).toBe(false)
  await runtime.clock.advance(20)
  expect(sent.status).toBe(204)
  expect(mark?.isReached).toBe(false)
  expect(queue?.marks(new Set(['e']))).toEqual([])
  await a.respond(stored())
  expect(mark?.isReached).toBe(true)
  expect(queue?.marks('all')).toEqual([])
})

test('a mark on disk is reached without the writes that come later', async () => {
  const a = later()
  let isDown = true
  const options = { bufferBytes: 100_000, maxBatchBytes: 1 }
  const { relay, send, runtime } = await createFixture(
    { a: () => (isDown ? refused() : a.handler()), b: stored },
    options,
    new FakeDisk(),
  )
  const queue = relay.backends[0]?.queue
  const first = send('m v=1 1')
  await runtime.clock.advance(20)
  expect((await first).status).toBe(204)
  const [mark] = queue?.marks(D) ?? []
  expect(mark?.bytes).toBeGreaterThan(0)
  expect(mark?.since(1_700_000_000_000)).toBeGreaterThanOrEqual(1_700_000_000_000)
  const second = send('m v=1 2')
  await runtime.clock.advance(20)
  expect((await second).status).toBe(204)
  isDown = false
  await runtime.clock.advance(1000)
  await a.respond(stored())
  expect(mark?.isReached).toBe(true)
  expect(queue?.marks(D)).toHaveLength(1)
  await a.respond(stored())
  await settle()
  expect(queue?.marks(D)).toEqual([])
})

test('a write that is dropped is not waited for: its gap is recorded by then', async () => {
  const { relay, send } = await createFixture({ a: refused, b: stored })
  const [a] = relay.backends
  expect((await send('m v=1 1')).status).toBe(204)
  expect(a?.queue.marks(D)).toEqual([])
  expect(a?.shortage(D)).toMatchObject({ points: 1 })
})
