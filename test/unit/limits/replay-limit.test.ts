/** How much delivery from disk may take of the relay and of a server. */

import { describe, expect, test } from 'vitest'
import { Semaphore, type Waiter } from '../../../src/limits/semaphore.ts'
import { createDurableFixture } from '../../support/durable-fixture.ts'
import { later, refused, settle, stored } from '../../support/fake-runtime.ts'

const BODY_BYTES = 100
const bodyOf = (id: number) => `m v="${'x'.repeat(BODY_BYTES - 10)}" ${String(id).padStart(3, '0')}`

/** A disk on which backend `a` has one body for each of these databases. */
async function backlogOf(databases: readonly string[]) {
  const { send, disk } = await createDurableFixture({ a: refused, b: stored })
  for (const [id, database] of databases.entries()) await send(bodyOf(id), `db=${database}`)
  return disk.kill()
}

describe('replay-rate-limit', () => {
  const options = { replayRate: BODY_BYTES, maxBatchBytes: BODY_BYTES }

  test('bounds the bytes per second that are sent from disk', async () => {
    const disk = await backlogOf(['d', 'd', 'd', 'd', 'd'])
    const { runtime, bodies } = await createDurableFixture({ a: stored, b: stored }, disk, options)
    for (let second = 0; second < 5; second++) {
      await settle()
      expect(bodies('a')).toHaveLength(second + 1)
      await runtime.clock.advance(999)
      expect(bodies('a')).toHaveLength(second + 1)
      await runtime.clock.advance(1)
    }
    expect(bodies('a')).toEqual([0, 1, 2, 3, 4].map(bodyOf))
  })

  test('is one bound for all lanes of a server', async () => {
    const disk = await backlogOf(['d', 'e', 'f', 'd', 'e', 'f'])
    const { runtime, bodies } = await createDurableFixture({ a: stored, b: stored }, disk, options)
    for (let sent = 1; sent <= 6; sent++) {
      await settle()
      expect(bodies('a')).toHaveLength(sent)
      await runtime.clock.advance(1000)
    }
    expect(bodies('a').sort()).toEqual([0, 1, 2, 3, 4, 5].map(bodyOf))
  })

  test('does not delay what is sent from memory', async () => {
    const disk = await backlogOf(['d', 'd', 'd'])
    const { send, runtime, bodies } = await createDurableFixture(
      { a: stored, b: stored },
      disk,
      options,
    )
    await settle()
    expect(await send('m live=1 1', 'db=live')).toMatchObject({ status: 204 })
    expect(bodies('a')).toEqual([bodyOf(0), 'm live=1 1'])
    await runtime.clock.advance(2000)
    expect(bodies('a')).toHaveLength(4)
    // The rate would not let the next one go yet.
    expect(await send('m live=2 2', 'db=d')).toMatchObject({ status: 204 })
    expect(bodies('a').at(-1)).toBe('m live=2 2')
  })

  test('of 0 is no bound', async () => {
    const disk = await backlogOf(['d', 'd', 'd'])
    const { bodies } = await createDurableFixture({ a: stored, b: stored }, disk, {
      ...options,
      replayRate: 0,
    })
    await settle()
    expect(bodies('a')).toHaveLength(3)
  })
})

describe('delivery from disk', () => {
  const databases = ['d0', 'd1', 'd2', 'd3', 'd4', 'd5']

  test('uses four lanes of a server at a time, in turn, beside delivery from memory', async () => {
    const a = later()
    const disk = await backlogOf([...databases, ...databases])
    const { send, runtime } = await createDurableFixture({ a: a.handler, b: stored }, disk, {
      maxBatchBytes: BODY_BYTES,
    })
    await settle()
    const served = () => runtime.received.get('a')?.map(({ query }) => query.get('db')) ?? []
    expect(served()).toEqual(databases.slice(0, 4))
    await send('m live=1 1', 'db=live')
    expect(served().at(-1)).toBe('live')
    for (let i = 0; i < databases.length; i++) await a.respond(stored())
    expect(served().slice(0, 9)).toEqual([...databases.slice(0, 4), 'live', 'd4', 'd5', 'd0', 'd1'])
    while (a.waiting > 0) await a.respond(stored())
    expect(served()).toHaveLength(13)
  })

  test('passes the turn of a failed lane to the next', async () => {
    const disk = await backlogOf(databases)
    let up = false
    const { runtime, bodies } = await createDurableFixture(
      { a: () => (up ? stored() : refused()), b: stored },
      disk,
    )
    await settle()
    expect(bodies('a')).toHaveLength(databases.length)
    up = true
    await runtime.clock.advance(500)
    expect(bodies('a')).toHaveLength(2 * databases.length)
  })
})

describe('a semaphore', () => {
  test('passes a permit that the first waiter does not take to the next', () => {
    const semaphore = new Semaphore(1)
    const pumped: string[] = []
    const waiter = (name: string, takes: boolean): Waiter => {
      const self = {
        pump() {
          pumped.push(name)
          if (takes && semaphore.admitsOrEnqueues(self)) semaphore.take()
        },
      }
      return self
    }
    semaphore.take()
    const line = [waiter('idle', false), waiter('ready', true), waiter('late', true)]
    for (const one of line) expect(semaphore.admitsOrEnqueues(one)).toBe(false)
    semaphore.give()
    expect(pumped).toEqual(['idle', 'ready'])
    semaphore.give()
    expect(pumped).toEqual(['idle', 'ready', 'late'])
  })
})
