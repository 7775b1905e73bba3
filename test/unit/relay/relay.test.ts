import { describe, expect, test } from 'vitest'
import { answer, later, refused, silence, stored } from '../../support/fake-runtime.ts'
import { createFixture } from '../../support/relay-fixture.ts'

const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes)

describe('the answer to a client', () => {
  test('is a success as soon as one backend succeeds', async () => {
    const { send } = await createFixture({ a: silence, b: stored })
    expect(await send('m v=1 1')).toMatchObject({ status: 204 })
  })

  test('is a success although the other backend is down', async () => {
    const { send, logged } = await createFixture({ a: refused, b: stored })
    expect(await send('m v=1 1')).toMatchObject({ status: 204 })
    expect(logged('backend failed')).toHaveLength(1)
  })

  test("is a backend's 400 at once, with its body and headers", async () => {
    const { send } = await createFixture({ a: silence, b: () => answer(400, 'unable to parse') })
    const { answer: got } = await send('m')
    expect(got).toMatchObject({
      status: 400,
      contentType: 'application/json',
      error: 'unable to parse',
    })
    expect(text(got?.body)).toBe('{"error":"unable to parse"}\n')
  })

  test('is not the 404 of one backend when the other succeeds later', async () => {
    const b = later()
    const { send } = await createFixture({
      a: () => answer(404, 'database not found'),
      b: b.handler,
    })
    const sent = await send('m v=1 1')
    expect(sent.status).toBeUndefined()
    await b.respond(stored())
    expect(sent.status).toBe(204)
  })

  test.each([
    [401, 500],
    [403, 503],
    [404, 500],
  ])('is %i before %i when none succeeds', async (telling, other) => {
    const { send } = await createFixture({
      a: () => answer(other, 'x'),
      b: () => answer(telling, 'y'),
    })
    expect(await send('m v=1 1')).toMatchObject({ status: telling })
  })

  test('is a 5xx of a backend before no answer at all', async () => {
    const { send } = await createFixture({ a: refused, b: () => answer(500, 'engine trouble') })
    expect((await send('m v=1 1')).answer).toMatchObject({ status: 500, error: 'engine trouble' })
  })

  test('is 503 with Retry-After when no backend answers', async () => {
    const { send } = await createFixture({ a: refused, b: refused })
    const { answer: got } = await send('m v=1 1')
    expect(got).toMatchObject({ status: 503, retryAfter: '1' })
    expect(text(got?.body)).toBe('{"error":"unable to write points"}\n')
  })

  test('is 503, never a 429, for which Telegraf drops what it has sent', async () => {
    const busy = () => answer(429, 'slow down')
    const { send } = await createFixture({ a: busy, b: busy })
    expect(await send('m v=1 1')).toMatchObject({ status: 503 })
  })

  test('is 503 when a backend redirects: the relay does not follow, nor does its client', async () => {
    const redirect = () =>
      new Response(null, { status: 307, headers: { location: 'http://elsewhere/' } })
    const { send, bodies } = await createFixture({ a: redirect, b: redirect })
    expect(await send('m v=1 1')).toMatchObject({ status: 503 })
    expect(bodies('a')).toHaveLength(1)
  })

  test('is the 500 for an unknown retention policy, but only if no backend has it', async () => {
    const missing = () => answer(500, 'retention policy not found: nope')
    const { send } = await createFixture({ a: missing, b: refused })
    expect(await send('m v=1 1')).toMatchObject({ status: 500 })
    const one = await createFixture({ a: missing, b: stored })
    expect(await one.send('m v=1 1')).toMatchObject({ status: 204 })
  })

  test('is the 500 for a name that is not UTF-8 at once: no server will take it', async () => {
    const accuse = () => answer(500, 'field "Name" contains invalid UTF-8')
    const { send } = await createFixture({ a: accuse, b: silence })
    expect(await send(Uint8Array.of(109, 0xff, 32, 118, 61, 49))).toMatchObject({ status: 500 })
    const other = await createFixture({ a: accuse, b: silence })
    const innocent = await other.send('m v=1 1')
    expect(innocent.status).toBeUndefined()
  })

  test('comes after the timeout when backends hang', async () => {
    const { send, runtime } = await createFixture({ a: silence, b: silence }, { timeoutMs: 2000 })
    const sent = await send('m v=1 1')
    await runtime.clock.advance(1999)
    expect(sent.status).toBeUndefined()
    await runtime.clock.advance(1)
    expect(sent.status).toBe(503)
  })
})

describe('coalescing', () => {
  test('sends an idle backend a write as it came', async () => {
    const { send, bodies } = await createFixture({ a: stored })
    await send('m v=1 1')
    expect(bodies('a')).toEqual(['m v=1 1'])
  })

  test('sends what waited as one batch', async () => {
    const a = later()
    const { send, bodies } = await createFixture({ a: a.handler })
    const sent = [await send('m v=1 1'), await send('m v=2 2'), await send('m v=3 3\n')]
    await a.respond(stored())
    await a.respond(stored())
    expect(bodies('a')).toEqual(['m v=1 1', 'm v=2 2\nm v=3 3\n'])
    expect(sent.map(({ status }) => status)).toEqual([204, 204, 204])
  })

  test('keeps batches below max-batch-kb, and sends a larger write alone', async () => {
    const a = later()
    const { send, bodies } = await createFixture({ a: a.handler }, { maxBatchBytes: 20 })
    await send('m v=0 0')
    for (const body of ['m v=1 1', 'm v=2 2', 'm v=3 3', `m v="${'x'.repeat(30)}" 4`, 'm v=5 5']) {
      await send(body)
    }
    for (let i = 0; i < 6; i++) await a.respond(stored())
    expect(bodies('a').map((body) => body.length)).toEqual([7, 16, 7, 38, 7])
  })

  test.each([
    ['precision', 'db=d&precision=s', undefined],
    ['parameters', 'db=d&x=1', undefined],
  ])('never joins writes of different %s', async (_, search) => {
    const a = later()
    const { send, bodies } = await createFixture({ a: a.handler })
    await send('m v=0 0')
    await send('m v=1 1')
    await send('m v=2 2', search)
    for (let i = 0; i < 3; i++) await a.respond(stored())
    expect(bodies('a')).toHaveLength(3)
  })

  test('never joins anything to a write whose last line is open', async () => {
    const a = later()
    const { send, bodies } = await createFixture({ a: a.handler })
    await send('m v=0 0')
    await send('m v="open')
    await send('m v=2 2')
    for (let i = 0; i < 3; i++) await a.respond(stored())
    expect(bodies('a')).toEqual(['m v=0 0', 'm v="open', 'm v=2 2'])
  })

  test('lets databases, retention policies and users go side by side', async () => {
    const { send, runtime } = await createFixture({ a: silence })
    await send('m v=1 1', 'db=d')
    await send('m v=1 1', 'db=e')
    await send('m v=1 1', 'db=d&rp=r')
    await send('m v=1 1', 'db=d', 'Basic eDp5')
    expect(runtime.received.get('a')).toHaveLength(4)
  })

  test('sends each write of a rejected batch again, alone and in order', async () => {
    const reject = ({ body }: { body: string }) =>
      body.includes('poison') ? answer(400, 'unable to parse poison') : stored()
    const gate = later()
    let first = true
    const { send, bodies } = await createFixture({
      a: (request) => {
        if (!first) return reject(request)
        first = false
        return gate.handler()
      },
    })
    const sent = []
    for (const body of ['m v=0 0', 'm v=1 1', 'poison', 'm v=3 3']) sent.push(await send(body))
    await gate.respond(stored())
    expect(sent.map(({ status }) => status)).toEqual([204, 204, 400, 204])
    expect(bodies('a')).toEqual([
      'm v=0 0',
      'm v=1 1\npoison\nm v=3 3\n',
      'm v=1 1',
      'poison',
      'm v=3 3',
    ])
  })

  test('halves a batch that is too large, and remembers', async () => {
    const gate = later()
    let first = true
    const limit = ({ body }: { body: string }) =>
      body.length > 20 ? answer(413, 'Request Entity Too Large') : stored()
    const { send, bodies } = await createFixture({
      a: (request) => {
        if (!first) return limit(request)
        first = false
        return gate.handler()
      },
    })
    const sent = []
    for (let i = 0; i < 5; i++) sent.push(await send(`m v=${i} ${i}`))
    await gate.respond(stored())
    expect(sent.map(({ status }) => status)).toEqual([204, 204, 204, 204, 204])
    expect(bodies('a').map((body) => body.length)).toEqual([7, 32, 16, 16])
  })

  test('tells the client of a single write that is too large', async () => {
    const { send } = await createFixture({
      a: () => answer(413, 'Request Entity Too Large'),
      b: silence,
    })
    expect(await send('m v=1 1')).toMatchObject({ status: 413 })
  })
})

describe('a backend without a buffer', () => {
  test('lacks what it failed to take, and the log says so', async () => {
    const { send, relay, logged, bodies } = await createFixture({ a: refused, b: stored })
    await send('m v=1 1')
    expect(relay.undeliveredBytes).toBe(0)
    expect(logged('lacks acknowledged points')[0]).toContain('backend=a')
    await send('m v=2 2')
    expect(bodies('a')).toEqual(['m v=1 1', 'm v=2 2'])
  })

  test('gives each write its timeout from when it was accepted', async () => {
    const { send, runtime, bodies } = await createFixture(
      { a: silence, b: stored },
      { timeoutMs: 1000 },
    )
    await send('m v=1 1')
    await send('m v=2 2')
    await runtime.clock.advance(1000)
    expect(bodies('a')).toEqual(['m v=1 1'])
    await send('m v=3 3')
    expect(bodies('a')).toEqual(['m v=1 1', 'm v=3 3'])
  })

  test('turns writes away when too many wait', async () => {
    const { send, logged } = await createFixture({ a: silence, b: stored }, { pendingBytes: 600 })
    for (let i = 0; i < 4; i++) expect(await send(`m v=${i} ${i}`)).toMatchObject({ status: 204 })
    expect(logged('queue full')).not.toHaveLength(0)
  })
})

describe('a backend with a buffer', () => {
  const buffered = { bufferBytes: 10_000, maxDelayMs: 2000 }

  test('gets everything, in order and batched, once it is back', async () => {
    let up = false
    const { send, runtime, bodies, relay } = await createFixture(
      { a: () => (up ? stored() : refused()), b: stored },
      buffered,
    )
    for (let i = 0; i < 5; i++) expect(await send(`m v=${i} ${i}`)).toMatchObject({ status: 204 })
    up = true
    await runtime.clock.advance(500)
    expect(bodies('a').at(-1)).toBe('m v=0 0\nm v=1 1\nm v=2 2\nm v=3 3\nm v=4 4\n')
    expect(relay.undeliveredBytes).toBe(0)
  })

  test('is asked after 500 ms, then after twice as long, up to max-delay-interval', async () => {
    const { send, runtime, bodies } = await createFixture({ a: refused, b: stored }, buffered)
    await send('m v=1 1')
    const attempts = []
    for (let i = 0; i < 5; i++) {
      await runtime.clock.advance([499, 1, 999, 1, 1999][i] as number)
      attempts.push(bodies('a').length)
    }
    expect(attempts).toEqual([1, 2, 2, 3, 3])
    await runtime.clock.advance(1)
    await runtime.clock.advance(2000)
    expect(bodies('a')).toHaveLength(5)
  })

  test('is left alone for as long as it asks', async () => {
    const busy = () => answer(503, 'throttled', { 'retry-after': '7' })
    const { send, runtime, bodies } = await createFixture({ a: busy, b: stored }, buffered)
    await send('m v=1 1')
    await runtime.clock.advance(6999)
    expect(bodies('a')).toHaveLength(1)
    await runtime.clock.advance(1)
    expect(bodies('a')).toHaveLength(2)
  })

  test('gets no new write before those that were acknowledged', async () => {
    const a = later()
    let up = false
    const { send, runtime, bodies } = await createFixture(
      { a: () => (up ? a.handler() : refused()), b: stored },
      buffered,
    )
    await send('m v=1 1')
    up = true
    await runtime.clock.advance(500)
    await send('m v=2 1')
    expect(bodies('a')).toEqual(['m v=1 1', 'm v=1 1'])
    await a.respond(stored())
    expect(bodies('a').at(-1)).toBe('m v=2 1')
  })

  test('does not keep a write that no backend took: its client was told to send it again', async () => {
    let up = false
    const flaky = () => (up ? stored() : refused())
    const { send, runtime, bodies, relay } = await createFixture({ a: flaky, b: flaky }, buffered)
    expect(await send('m v=1 1')).toMatchObject({ status: 503 })
    expect(relay.undeliveredBytes).toBe(0)
    up = true
    await runtime.clock.advance(20_000)
    expect(bodies('a')).toEqual(['m v=1 1'])
    expect(await send('m v=2 2')).toMatchObject({ status: 204 })
  })

  test('answers at once while it is behind and the other is down', async () => {
    let bUp = true
    const { send } = await createFixture(
      { a: refused, b: () => (bUp ? stored() : refused()) },
      buffered,
    )
    await send('m v=1 1')
    bUp = false
    expect(await send('m v=2 2')).toMatchObject({ status: 503 })
  })

  test('loses what does not fit, and the log counts it', async () => {
    const { send, runtime, logged, bodies } = await createFixture(
      { a: refused, b: stored },
      { ...buffered, bufferBytes: 600 },
    )
    for (let i = 0; i < 5; i++) expect(await send(`m v=${i} ${i}`)).toMatchObject({ status: 204 })
    await runtime.clock.advance(500)
    expect(bodies('a').at(-1)).toBe('m v=0 0\nm v=1 1\n')
    await runtime.clock.advance(10_000)
    const lines = logged('lacks acknowledged points')
    expect(lines[0]).toContain('reason="buffer full" points=1')
    expect(lines[1]).toContain('points=2')
  })

  test('is not blocked by one database that it does not have', async () => {
    const a = ({ query }: { query: URLSearchParams }) =>
      query.get('db') === 'missing' ? answer(404, 'database not found') : stored()
    const { send, bodies } = await createFixture({ a, b: stored }, buffered)
    await send('m v=1 1', 'db=missing')
    await send('m v=2 2', 'db=there')
    expect(bodies('a')).toEqual(['m v=1 1', 'm v=2 2'])
  })

  test('keeps an acknowledged write apart from one with a bad password', async () => {
    const a = ({ headers }: { headers: Record<string, string> }) =>
      headers.authorization === 'Basic bad' ? answer(401, 'authorization failed') : stored()
    const { send, bodies } = await createFixture({ a, b: stored }, buffered)
    await send('m v=1 1', 'db=d', 'Basic bad')
    expect(await send('m v=2 2', 'db=d', 'Basic good')).toMatchObject({ status: 204 })
    expect(bodies('a')).toEqual(['m v=1 1', 'm v=2 2'])
  })

  test('gets a write that the other took in part, and none that nobody could parse', async () => {
    let up = false
    const a = () => (up ? stored() : refused())
    const b = ({ body }: { body: string }) =>
      body.includes('bad')
        ? answer(400, 'unable to parse')
        : answer(400, 'partial write: x dropped=1')
    const { send, runtime, bodies } = await createFixture({ a, b }, buffered)
    expect(await send('m v=1 1')).toMatchObject({ status: 400 })
    expect(await send('bad', 'db=e')).toMatchObject({ status: 400 })
    up = true
    await runtime.clock.advance(500)
    expect(bodies('a')).toEqual(['m v=1 1', 'bad', 'm v=1 1'])
  })

  test('says so when it rejects what the other stored', async () => {
    const slow = later()
    const late = await createFixture({ a: slow.handler, b: stored }, buffered)
    await late.send('m v=1 1')
    await slow.respond(answer(400, 'field type conflict'))
    expect(late.logged('rejected acknowledged points')[0]).toContain('field type conflict')
  })

  test('forgets an empty write that fails', async () => {
    const { send, relay } = await createFixture({ a: refused, b: stored }, buffered)
    expect(await send('')).toMatchObject({ status: 204 })
    expect(relay.undeliveredBytes).toBe(0)
  })

  test('is told to recover in the log', async () => {
    let up = false
    const { send, runtime, logged } = await createFixture(
      { a: () => (up ? stored() : refused()), b: stored },
      buffered,
    )
    await send('m v=1 1')
    await runtime.clock.advance(500)
    up = true
    await runtime.clock.advance(1000)
    expect(logged('backend failed')).toHaveLength(2)
    expect(logged('backend recovered')[0]).toContain('after_seconds=1.5')
  })

  test('delivers a datagram that nobody waits for', async () => {
    let up = false
    const { own, runtime, bodies, relay } = await createFixture(
      { a: () => (up ? stored() : refused()) },
      buffered,
    )
    own('m v=1 1')
    await runtime.clock.advance(100)
    own('m v=2 2')
    up = true
    await runtime.clock.advance(500)
    expect(bodies('a').at(-1)).toBe('m v=1 1\nm v=2 2\n')
    await relay.drained()
  })
})

describe('max-in-flight', () => {
  test('lets batches overlap until a client knows that a write is stored', async () => {
    const a = later()
    const b = later()
    const { send, bodies } = await createFixture({ a: a.handler, b: b.handler }, { maxInFlight: 2 })
    await send('m v=1 1')
    await send('m v=2 1')
    await send('m v=3 1')
    expect(bodies('a')).toEqual(['m v=1 1', 'm v=2 1'])
    await b.respond(stored())
    await a.respond(stored())
    expect(bodies('a')).toEqual(['m v=1 1', 'm v=2 1', 'm v=3 1'])
    await b.respond(stored())
    await send('m v=4 1')
    expect(bodies('a')).toHaveLength(3)
  })
})
