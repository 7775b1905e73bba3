import { describe, expect, test } from 'vitest'
import { createDurableFixture } from '../../support/durable-fixture.ts'
import { FakeDisk } from '../../support/fake-disk.ts'
import { answer, refused, stored } from '../../support/fake-runtime.ts'
import { createFixture } from '../../support/relay-fixture.ts'

/** Room for three lanes in memory, and for one on disk. */
const lanesBytes = 5000
const MORE = 'db=e'

describe('when the lanes of a backend take all the memory that they may', () => {
  test('a write to another database gets 503 with Retry-After, and reaches no server', async () => {
    const options = { lanesBytes, bufferBytes: 1_000_000 }
    const { send, bodies, logged } = await createFixture({ a: refused, b: stored }, options)
    for (const db of ['d1', 'd2', 'd3']) {
      expect((await send('m v=1 1', `db=${db}`)).status).toBe(204)
    }
    const sent = await send('m v=1 1', MORE)
    expect(sent).toMatchObject({ status: 503, answer: { retryAfter: '10' } })
    expect(bodies('b')).toHaveLength(3)
    const [line, ...others] = logged('msg="too many destinations wait"')
    expect(line).toContain('backend=a destinations=3')
    expect(others).toEqual([])
  })

  test('databases that have a lane are served', async () => {
    const { send } = await createDurableFixture({ a: refused, b: stored }, new FakeDisk(), {
      lanesBytes,
    })
    expect((await send('m v=1 1')).status).toBe(204)
    expect((await send('m v=2 2', MORE)).status).toBe(503)
    expect((await send('m v=3 3')).status).toBe(204)
  })

  test('other databases are served again once lanes are drained', async () => {
    let isDown = true
    const server = () => (isDown ? answer(503, 'down') : stored())
    const { send, runtime } = await createDurableFixture({ a: server, b: stored }, new FakeDisk(), {
      lanesBytes,
    })
    await send('m v=1 1')
    expect((await send('m v=2 2', MORE)).status).toBe(503)
    isDown = false
    await runtime.clock.advance(10_000)
    expect((await send('m v=2 2', MORE)).status).toBe(204)
  })

  test('an earlier process may have left more of them', async () => {
    const first = await createDurableFixture({ a: refused, b: stored })
    for (const db of ['d1', 'd2', 'd3']) await first.send('m v=1 1', `db=${db}`)
    const disk = first.disk.kill()
    const next = await createDurableFixture({ a: stored, b: stored }, disk, { lanesBytes })
    await next.runtime.clock.advance(10_000)
    expect(next.bodies('a')).toHaveLength(3)
  })
})
