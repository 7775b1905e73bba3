/** When the memory of bodies is given back. The pool of the tests overwrites it at that moment. */

import { describe, expect, test } from 'vitest'
import { createDurableFixture } from '../../support/durable-fixture.ts'
import { FakeDisk } from '../../support/fake-disk.ts'
import { answer, type Handler, later, refused, stored } from '../../support/fake-runtime.ts'
import { createFixture, writeOf } from '../../support/relay-fixture.ts'

const BODY = 'm v=1 1'

/** A write whose bytes show whether they were given back. */
function recyclable(body = BODY) {
  const write = writeOf(body)
  const recycled: Uint8Array[] = []
  return {
    write: { ...write, recycle: (bytes: Uint8Array) => recycled.push(bytes) },
    timesGivenBack: () => recycled.filter((bytes) => bytes === write.points.bytes).length,
  }
}

describe('the bytes of a write', () => {
  test('are given back once, when the last backend has stored the write', async () => {
    const a = later()
    const { accept } = await createFixture({ a: a.handler, b: stored })
    const { write, timesGivenBack } = recyclable()
    await accept(write)
    expect(timesGivenBack()).toBe(0)
    await a.respond(stored())
    expect(timesGivenBack()).toBe(1)
  })

  test.each([
    ['refuses the connection', refused],
    ['answers 500', () => answer(500, 'timeout')],
    ['rejects the write', () => answer(400, 'field type conflict')],
  ] as [string, Handler][])('are not given back if a backend %s', async (_, a) => {
    for (const bufferBytes of [0, 10_000]) {
      const { accept, runtime } = await createFixture({ a, b: stored }, { bufferBytes })
      const { write, timesGivenBack } = recyclable()
      await accept(write)
      await runtime.clock.advance(5000)
      expect(timesGivenBack()).toBe(0)
    }
  })

  test('are not given back after a retry: the first request may still read them', async () => {
    let up = false
    const a = () => (up ? stored() : refused())
    const { accept, runtime, bodies } = await createFixture({ a, b: stored }, { bufferBytes: 1000 })
    const { write, timesGivenBack } = recyclable()
    await accept(write)
    up = true
    await runtime.clock.advance(500)
    expect(bodies('a')).toEqual([BODY, BODY])
    expect(timesGivenBack()).toBe(0)
  })

  test('are not given back while the disk gets the write', async () => {
    const a = later()
    const { accept, runtime, disk } = await createDurableFixture({ a: a.handler, b: stored })
    let release = () => {}
    disk.before = ({ kind, path }) => {
      if (kind !== 'write' || !path.endsWith('.segment')) return
      return new Promise((resolve) => {
        release = resolve
      })
    }
    const { write, timesGivenBack } = recyclable()
    await accept(write)
    await runtime.clock.advance(10)
    await a.respond(stored())
    expect(timesGivenBack()).toBe(0)
    release()
    await runtime.clock.advance(1)
    expect(timesGivenBack()).toBe(1)
  })
})

test('a pool that overwrites what is given back changes no body on its way through a disk', async () => {
  let up = false
  const a = () => (up ? stored() : refused())
  const { send, runtime, bodies } = await createDurableFixture({ a, b: stored }, new FakeDisk(), {
    maxBatchBytes: 20,
  })
  const sent = Array.from({ length: 7 }, (_, i) => `m v=${i} ${i}`)
  for (const body of sent) expect(await send(body)).toMatchObject({ status: 204 })
  up = true
  await runtime.clock.advance(500)
  const delivered = bodies('a').slice(1).join('\n').split('\n')
  expect(delivered.filter((line) => line !== '')).toEqual(sent)
})
