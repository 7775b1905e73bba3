import { describe, expect, test } from 'vitest'
import { userAuthorization } from '../../../src/influxdb/credentials.ts'
import { createDurableFixture } from '../../support/durable-fixture.ts'
import {
  answer,
  type Handler,
  later,
  type Received,
  refused,
  stored,
} from '../../support/fake-runtime.ts'
import { createFixture } from '../../support/relay-fixture.ts'
import { executed, isStatement, receivedBy, statementOf, well } from '../../support/statements.ts'

/** A server that is down until the test says otherwise. */
function switchable(isUp = false) {
  const server = { isUp, handler: (request: Received) => (server.isUp ? well(request) : refused()) }
  return server
}

describe('in memory', () => {
  test('a statement waits for the writes before it, and the writes behind it for it', async () => {
    const a = later()
    const { accept, send, runtime } = await createFixture({ a: a.handler })
    const received = () => receivedBy(runtime.received.get('a'))
    await send('m v=1 1')
    await send('m v=1 1', 'db=d&rp=long')
    await accept(statementOf('DELETE FROM m'))
    await send('m v=2 2')
    await send('m v=2 2', 'db=d&rp=long')
    expect(received()).toEqual(['m v=1 1', 'm v=1 1'])
    await a.respond(stored())
    expect(received()).toHaveLength(2)
    await a.respond(stored())
    expect(received().slice(2)).toEqual(['DELETE FROM m'])
    await a.respond(executed())
    expect(received().slice(3)).toEqual(['m v=2 2', 'm v=2 2'])
  })

  test('writes of other databases and users do not wait', async () => {
    const a = later()
    const { accept, send, runtime } = await createFixture({ a: a.handler })
    await accept(statementOf('DELETE FROM m'))
    await accept(statementOf('DROP USER jane', undefined, ''))
    await send('m v=1 1', 'db=other')
    await send('m v=2 2', 'db=other', userAuthorization('joe', 'p'))
    await send('m v=3 3', 'db=other', userAuthorization('jane', 'p'))
    expect(receivedBy(runtime.received.get('a'))).toEqual([
      ...['DELETE FROM m', 'DROP USER jane', 'm v=1 1', 'm v=2 2'],
    ])
  })

  test('statements that are a barrier for each other keep their order', async () => {
    const a = later()
    const { accept, runtime } = await createFixture({ a: a.handler }, { maxInFlight: 8 })
    for (const text of ['DROP DATABASE d', 'CREATE DATABASE d', 'DROP DATABASE d']) {
      await accept(statementOf(text))
    }
    await accept(statementOf('DROP DATABASE d'))
    const received = () => receivedBy(runtime.received.get('a'))
    expect(received()).toEqual(['DROP DATABASE d'])
    for (let i = 0; i < 3; i++) await a.respond(executed())
    expect(received()).toEqual([
      ...['DROP DATABASE d', 'CREATE DATABASE d', 'DROP DATABASE d', 'DROP DATABASE d'],
    ])
  })

  test('a statement that only adds something does not wait for writes that fail without it', async () => {
    let exists = false
    const b: Handler = (request) => {
      if (isStatement(request)) exists = true
      return exists ? well(request) : answer(404, 'database not found: "d"')
    }
    const { accept, send, runtime } = await createFixture(
      { a: well, b },
      { bufferBytes: 1_000_000 },
    )
    await send('m v=1 1')
    await accept(statementOf('CREATE DATABASE d'))
    await send('m v=2 2')
    await runtime.clock.advance(1000)
    expect(receivedBy(runtime.received.get('b'))).toEqual([
      ...['m v=1 1', 'CREATE DATABASE d', 'm v=1 1', 'm v=2 2'],
    ])
  })

  test('a client whose write waits behind a statement hears that its servers are down', async () => {
    const { accept, send } = await createFixture(
      { a: refused, b: refused },
      { bufferBytes: 1_000_000 },
    )
    const statement = accept(statementOf('DROP SERIES FROM m'))
    expect(await send('m v=1 1')).toMatchObject({ status: 503 })
    expect(await statement).toMatchObject({ status: 503 })
  })

  test('a client whose write waits behind a long statement is told to come again', async () => {
    const a = later()
    const { accept, send, runtime } = await createFixture(
      { a: a.handler },
      { bufferBytes: 1_000_000, queryTimeoutMs: 100_000 },
    )
    await accept(statementOf('DROP SERIES FROM m'))
    const sent = await send('m v=1 1')
    await runtime.clock.advance(9_999)
    expect(sent.status).toBeUndefined()
    await runtime.clock.advance(1)
    expect(sent.status).toBe(503)
    await a.respond(executed())
    await send('m v=2 2')
    expect(receivedBy(runtime.received.get('a'))).toEqual(['DROP SERIES FROM m', 'm v=2 2'])
  })
})

describe('on disk', () => {
  const TEXTS = ['m v=1 1', 'DROP SERIES FROM m', 'm v=2 2', 'DELETE FROM m', 'm v=3 3'] as const

  async function fill({ accept, send }: Awaited<ReturnType<typeof createDurableFixture>>) {
    for (const text of TEXTS) {
      const { status } = await (text.startsWith('m') ? send(text) : accept(statementOf(text)))
      expect(status).toBe(text.startsWith('m') ? 204 : 200)
    }
  }

  test('a server that is back gets statements in their places', async () => {
    const b = switchable()
    const fixture = await createDurableFixture({ a: well, b: b.handler })
    await fill(fixture)
    b.isUp = true
    fixture.runtime.received.get('b')?.splice(0)
    await fixture.runtime.clock.advance(60_000)
    expect(receivedBy(fixture.runtime.received.get('b'))).toEqual(TEXTS)
    expect([...fixture.disk.files().keys()].filter((path) => path.includes('lane'))).toEqual([])
  })

  test('a relay that was killed sends statements in their places', async () => {
    const first = await createDurableFixture({ a: well, b: refused })
    await fill(first)
    const second = await createDurableFixture({ a: well, b: refused }, first.disk.kill())
    await second.send('m v=4 4', 'db=d&rp=long')
    const third = await createDurableFixture({ a: well, b: well }, second.disk.kill())
    await third.send('m v=5 5')
    await third.runtime.clock.advance(60_000)
    expect(receivedBy(third.runtime.received.get('b'))).toEqual([...TEXTS, 'm v=4 4', 'm v=5 5'])
  })

  test('records keep the order if the files of the lanes are damaged', async () => {
    const first = await createDurableFixture({ a: well, b: refused })
    await fill(first)
    const disk = first.disk.kill()
    for (const [path, bytes] of disk.files()) {
      if (path.endsWith('.json')) bytes[3] = (bytes[3] ?? 0) ^ 1
    }
    const second = await createDurableFixture({ a: well, b: well }, disk)
    await second.runtime.clock.advance(60_000)
    expect(receivedBy(second.runtime.received.get('b'))).toEqual(TEXTS)
  })

  test('credentials and parameters of a statement survive a restart', async () => {
    const first = await createDurableFixture({ a: well, b: refused })
    const authorization = userAuthorization('admin', 'secret')
    await first.accept(statementOf('DROP USER "jane"', authorization, 'db=d&epoch=ns'))
    const second = await createDurableFixture({ a: well, b: well }, first.disk.kill())
    await second.runtime.clock.advance(60_000)
    const [request] = second.runtime.received.get('b') ?? []
    expect(request?.headers.authorization).toBe(authorization)
    expect(Object.fromEntries(request?.query ?? [])).toEqual({ db: 'd', epoch: 'ns' })
  })
})
