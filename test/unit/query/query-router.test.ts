import { describe, expect, test } from 'vitest'
import type { BackendOptions } from '../../../src/backend/backend.ts'
import { createLog } from '../../../src/observe/log.ts'
import { QueryRouter } from '../../../src/query/query-router.ts'
import { FakeDisk } from '../../support/fake-disk.ts'
import {
  type Handler,
  later,
  refused,
  settle,
  silence,
  stored,
} from '../../support/fake-runtime.ts'
import { createFixture } from '../../support/relay-fixture.ts'

const result = (text = 'rows') => `{"results":[{"statement_id":0,"series":[{"name":"${text}"}]}]}\n`

const json = (body: BodyInit, status = 200) =>
  new Response(body, {
    status,
    headers: { 'content-type': 'application/json', 'x-influxdb-version': '1' },
  })

/** A backend that stores, and that answers queries with its name. */
const well =
  (name: string, write: Handler = stored): Handler =>
  (request) =>
    request.url.includes('/query') ? json(result(name)) : write(request)

/** A backend that answers queries in another way. */
const answering =
  (query: Handler, write: Handler = stored): Handler =>
  (request) =>
    request.url.includes('/query') ? query(request) : write(request)

async function fixture(
  handlers: Record<string, Handler>,
  options: Partial<BackendOptions> = {},
  disk?: FakeDisk,
) {
  const all = await createFixture(handlers, options, disk)
  const { runtime, relay } = all
  const log = createLog(runtime.writeLog, runtime.clock.wallNanoseconds)
  const router = new QueryRouter(
    relay.backends,
    (one) => [one],
    { idleTimeoutMs: 5000 },
    runtime,
    log,
  )
  const client = new AbortController()
  let ended = 0
  const start = (databases: ReadonlySet<string> | 'all' = new Set(['d']), isChunked = false) =>
    router.answer(
      {
        ...{
          form: new TextEncoder().encode('q=x'),
          search: '',
          headers: {},
          authorization: undefined,
        },
        ...{ isChunked, signal: client.signal },
      },
      databases,
      () => ended++,
    )
  const ask = async (databases?: ReadonlySet<string> | 'all') => {
    const response = await start(databases)
    const text = await response.text()
    const { results } = JSON.parse(text)
    return {
      status: response.status,
      from: results?.[0].series?.[0].name,
      behind: response.headers.get('x-relay-behind'),
      text,
    }
  }
  return { ...all, router, client, start, ask, ended: () => ended }
}

describe('a query', () => {
  test('goes to complete servers in turn, by their weights', async () => {
    const { ask } = await fixture({ a: well('a'), b: well('b') })
    const from = []
    for (let i = 0; i < 4; i++) from.push((await ask()).from)
    expect(from).toEqual(['a', 'b', 'a', 'b'])
  })

  test('waits for a write in flight, and not for later ones', async () => {
    const a = later()
    const { ask, send, runtime } = await fixture({ a: well('a', a.handler), b: answering(refused) })
    const sent = await send('m v=1 1')
    expect(sent.status).toBe(204)
    const asked = ask()
    await settle()
    await send('m v=1 2')
    expect(runtime.received.get('a')?.filter(({ url }) => url.includes('/query'))).toEqual([])
    await a.respond(stored())
    expect(await asked).toMatchObject({ from: 'a', behind: null })
  })

  test('goes to another server at once if one lacks an acknowledged write', async () => {
    const { ask, send } = await fixture({ a: well('a', silence), b: well('b') })
    expect((await send('m v=1 1')).status).toBe(204)
    for (let i = 0; i < 4; i++) expect(await ask()).toMatchObject({ from: 'b', behind: null })
    expect((await ask(new Set(['other']))).behind).toBeNull()
  })

  test('does not wait for a write that no server has stored', async () => {
    const { ask, send } = await fixture({ a: well('a', silence), b: well('b', silence) })
    expect((await send('m v=1 1')).status).toBeUndefined()
    expect(await ask()).toMatchObject({ from: 'a', behind: null })
  })

  test('is answered by the server that lacks least after 50 ms, which says so', async () => {
    const { ask, send, runtime, logged } = await fixture({
      a: well('a', silence),
      b: answering(refused),
    })
    await send('m v=1 1')
    let isOver = false
    const asked = ask().finally(() => {
      isOver = true
    })
    await runtime.clock.advance(49)
    // The server that is complete is asked first: that it is down shows only then.
    expect(isOver).toBe(false)
    await runtime.clock.advance(2)
    const { from, behind } = await asked
    expect(from).toBe('a')
    expect(behind).toMatch(/^output=a; bytes=7; points=0; since=2023-11-14T/)
    expect(logged('query answered by a server that is behind')).toHaveLength(1)
  })

  test('is not answered by a server that has lost a write, with or without a ledger', async () => {
    for (const disk of [undefined, new FakeDisk()]) {
      let isDown = true
      const write: Handler = () => (isDown ? refused() : stored())
      const { ask, send } = await fixture({ a: well('a', write), b: well('b') }, {}, disk)
      expect((await send('m v=1 1')).status).toBe(204)
      isDown = false
      expect((await send('m v=1 2')).status).toBe(204)
      for (let i = 0; i < 4; i++) expect(await ask()).toMatchObject({ from: 'b', behind: null })
      expect((await ask('all')).from).toBe('b')
    }
  })

  test('is not answered by a server with writes on disk, also after a restart', async () => {
    const disk = new FakeDisk()
    const handlers = { a: well('a', refused), b: well('b') }
    const first = await fixture(handlers, { bufferBytes: 100_000 }, disk)
    const sending = first.send('m v=1 1')
    await first.runtime.clock.advance(20)
    expect((await sending).status).toBe(204)
    for (let i = 0; i < 4; i++) expect((await first.ask()).from).toBe('b')
    const second = await fixture(handlers, { bufferBytes: 100_000 }, disk.kill())
    await settle()
    for (let i = 0; i < 4; i++) expect((await second.ask()).from).toBe('b')
    const unreadiness = second.router.unreadiness('a')
    await second.runtime.clock.advance(100)
    expect(await unreadiness).toMatch(
      /^it lacks 0 points and has yet to take \d+ bytes, since 2023-/,
    )
    expect(await second.router.unreadiness('b')).toBeUndefined()
  })
})

describe('another server is asked', () => {
  test.each<[string, Handler]>([
    ['that refuses', refused],
    [
      'that redirects',
      () => new Response(null, { status: 307, headers: { location: 'http://x' } }),
    ],
    ['that answers 503', () => json('{"error":"busy"}', 503)],
    [
      'that lacks the database',
      () => json('{"results":[{"statement_id":0,"error":"database not found: d"}]}\n'),
    ],
    [
      'that breaks off before a byte',
      () => json(new ReadableStream({ pull: (c) => c.error(new Error('cut')) })),
    ],
  ])('after one %s', async (_, query) => {
    const { ask, logged, ended } = await fixture({ a: answering(query), b: well('b') })
    expect(await ask()).toMatchObject({ status: 200, from: 'b' })
    expect(logged('server did not answer a query')).toHaveLength(1)
    expect(ended()).toBe(1)
  })

  test('after one that is silent for query-timeout', async () => {
    const { ask, runtime } = await fixture(
      { a: answering(silence), b: well('b') },
      { queryTimeoutMs: 1000 },
    )
    const asked = ask()
    await runtime.clock.advance(2000)
    expect((await asked).from).toBe('b')
  })

  test('and the first answer is kept for the client if none is better', async () => {
    const missing = '{"results":[{"statement_id":0,"error":"database not found: d"}]}\n'
    const { ask } = await fixture({ a: answering(() => json(missing)), b: answering(refused) })
    expect(await ask()).toMatchObject({ status: 200, text: missing })
    const failing = await fixture({
      a: answering(() => json('{"error":"x"}', 500)),
      b: answering(refused),
    })
    expect(await failing.ask()).toMatchObject({ status: 500, text: '{"error":"x"}' })
    const none = await fixture({ a: answering(refused), b: answering(refused) })
    expect(await none.ask()).toMatchObject({ status: 503 })
    expect(none.ended()).toBe(1)
  })

  test('not once a byte has gone to the client: then the answer fails', async () => {
    let pieces = 0
    const body = () =>
      new ReadableStream({
        pull(controller) {
          if (pieces++ < 3) controller.enqueue(new Uint8Array(60_000))
          else controller.error(new Error('connection lost'))
        },
      })
    const { start, logged, runtime, ended } = await fixture({
      a: answering(() => json(body())),
      b: well('b'),
    })
    const response = await start()
    await expect(response.arrayBuffer()).rejects.not.toBeNull()
    expect(logged('answer to a query was cut short')[0]).toContain('connection lost')
    expect(runtime.received.get('b')).toEqual([])
    expect(ended()).toBe(1)
  })
})

describe('an answer', () => {
  test('keeps the headers of the server, but those of its connection', async () => {
    const headers = {
      'content-type': 'text/csv',
      'x-request-id': '7',
      connection: 'close',
      'keep-alive': 'x',
    }
    const { start } = await fixture({ a: answering(() => new Response('a,b\n', { headers })) })
    const response = await start()
    expect(Object.fromEntries(response.headers)).toEqual({
      'content-type': 'text/csv',
      'x-request-id': '7',
    })
    expect(await response.text()).toBe('a,b\n')
  })

  test('is not read faster than the client takes it', async () => {
    let pieces = 0
    const body = new ReadableStream(
      {
        pull(controller) {
          pieces++
          controller.enqueue(new Uint8Array(65_536))
        },
      },
      { highWaterMark: 0 },
    )
    const { start, client } = await fixture({ a: answering(() => json(body)) })
    const reader = (await start()).body?.getReader()
    for (let i = 0; i < 5; i++) await reader?.read()
    await settle()
    expect(pieces).toBeLessThanOrEqual(6)
    client.abort()
  })

  test('in chunks reaches the client while the server works on the next', async () => {
    let controller: ReadableStreamDefaultController | undefined
    const body = new ReadableStream({
      start(one) {
        controller = one
      },
    })
    const { start } = await fixture({ a: answering(() => json(body)) })
    const starting = start(undefined, true)
    await settle()
    controller?.enqueue(new TextEncoder().encode(result('first')))
    const reader = (await starting).body?.getReader()
    const { value } = (await reader?.read()) ?? {}
    expect(new TextDecoder().decode(value)).toBe(result('first'))
  })

  test('that the client does not take is ended, and its server asked no more', async () => {
    let cancelled = 0
    const body = new ReadableStream(
      {
        pull: (c) => c.enqueue(new Uint8Array(65_536)),
        cancel: () => void cancelled++,
      },
      { highWaterMark: 0 },
    )
    const { start, runtime, ended, logged } = await fixture({ a: answering(() => json(body)) })
    const reader = (await start()).body?.getReader()
    await reader?.read()
    await runtime.clock.advance(6000)
    await expect(reader?.read()).rejects.not.toBeNull()
    expect(ended()).toBe(1)
    expect(logged('answer to a query was cut short')[0]).toContain('the client takes nothing')
  })

  test('is not waited for once the client has left', async () => {
    const { start, client, ended, runtime } = await fixture({ a: answering(silence), b: well('b') })
    const asked = start()
    await settle()
    client.abort()
    expect((await asked).status).toBe(503)
    expect(ended()).toBe(1)
    expect(runtime.received.get('b')).toEqual([])
  })

  test('that its client never reads is ended once the client has left', async () => {
    const body = new ReadableStream({ pull: (c) => c.enqueue(new Uint8Array(65_536)) })
    const { start, client, ended } = await fixture({ a: answering(() => json(body)) })
    await start()
    client.abort()
    expect(ended()).toBe(1)
  })
})
