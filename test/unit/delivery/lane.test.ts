import { describe, expect, test } from 'vitest'
import { answer, later, refused, silence, stored } from '../../support/fake-runtime.ts'
import { createFixture } from '../../support/relay-fixture.ts'

describe('a batch', () => {
  test('an idle backend is sent a write as it came', async () => {
    const { send, bodies } = await createFixture({ a: stored })
    await send('m v=1 1')
    expect(bodies('a')).toEqual(['m v=1 1'])
  })

  test('writes that wait for a busy backend are sent as one batch', async () => {
    const a = later()
    const { send, bodies } = await createFixture({ a: a.handler })
    const sent = [await send('m v=1 1'), await send('m v=2 2'), await send('m v=3 3\n')]
    await a.respond(stored())
    await a.respond(stored())
    expect(bodies('a')).toEqual(['m v=1 1', 'm v=2 2\nm v=3 3\n'])
    expect(sent.map(({ status }) => status)).toEqual([204, 204, 204])
  })

  test('a batch is no larger than max-batch-kb unless it is one write', async () => {
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
  ])('writes of different %s are not batched', async (_, search) => {
    const a = later()
    const { send, bodies } = await createFixture({ a: a.handler })
    await send('m v=0 0')
    await send('m v=1 1')
    await send('m v=2 2', search)
    for (let i = 0; i < 3; i++) await a.respond(stored())
    expect(bodies('a')).toHaveLength(3)
  })

  test('nothing is batched behind a write whose last line is open', async () => {
    const a = later()
    const { send, bodies } = await createFixture({ a: a.handler })
    await send('m v=0 0')
    await send('m v="open')
    await send('m v=2 2')
    for (let i = 0; i < 3; i++) await a.respond(stored())
    expect(bodies('a')).toEqual(['m v=0 0', 'm v="open', 'm v=2 2'])
  })

  test('each database, retention policy and user has a lane of its own', async () => {
    const { send, runtime } = await createFixture({ a: silence })
    await send('m v=1 1', 'db=d')
    await send('m v=1 1', 'db=e')
    await send('m v=1 1', 'db=d&rp=r')
    await send('m v=1 1', 'db=d', 'Basic eDp5')
    expect(runtime.received.get('a')).toHaveLength(4)
  })

  test('the writes of a rejected batch are sent again, alone and in order', async () => {
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

  test('a batch that is too large is halved, and so are later ones', async () => {
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

  test('the client of a single write that is too large gets 413', async () => {
    const { send } = await createFixture({
      a: () => answer(413, 'Request Entity Too Large'),
      b: silence,
    })
    expect(await send('m v=1 1')).toMatchObject({ status: 413 })
  })
})

describe('a backend without a buffer', () => {
  test('a write that a backend without a buffer did not take is dropped and logged', async () => {
    const { send, relay, logged, bodies } = await createFixture({ a: refused, b: stored })
    await send('m v=1 1')
    expect(relay.undeliveredBytes).toBe(0)
    expect(logged('lacks acknowledged points')[0]).toContain('backend=a')
    await send('m v=2 2')
    expect(bodies('a')).toEqual(['m v=1 1', 'm v=2 2'])
  })

  test('without a buffer, the timeout of a write runs from its acceptance', async () => {
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

  test('a full queue drops new writes', async () => {
    const { send, logged } = await createFixture({ a: silence, b: stored }, { pendingBytes: 600 })
    for (let i = 0; i < 4; i++) expect(await send(`m v=${i} ${i}`)).toMatchObject({ status: 204 })
    expect(logged('queue full')).not.toHaveLength(0)
  })
})

describe('a backend with a buffer in memory', () => {
  const buffered = { bufferBytes: 10_000, maxDelayMs: 2000 }

  test('buffered writes are delivered in order and in batches once the backend is back', async () => {
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

  test('the pause between attempts doubles from 500 ms up to max-delay-interval', async () => {
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

  test('a Retry-After longer than the pause is honoured', async () => {
    const busy = () => answer(503, 'throttled', { 'retry-after': '7' })
    const { send, runtime, bodies } = await createFixture({ a: busy, b: stored }, buffered)
    await send('m v=1 1')
    await runtime.clock.advance(6999)
    expect(bodies('a')).toHaveLength(1)
    await runtime.clock.advance(1)
    expect(bodies('a')).toHaveLength(2)
  })

  test('a Retry-After of more than five minutes is a pause of five minutes', async () => {
    const busy = () => answer(503, 'throttled', { 'retry-after': '99999' })
    const { send, runtime, bodies } = await createFixture({ a: busy, b: stored }, buffered)
    await send('m v=1 1')
    await runtime.clock.advance(299_999)
    expect(bodies('a')).toHaveLength(1)
    await runtime.clock.advance(1)
    expect(bodies('a')).toHaveLength(2)
  })

  test('a new write waits for acknowledged ones that are retried', async () => {
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

  test('a write that no backend took is not kept', async () => {
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

  test('a client gets 503 at once while one backend fails and the other is down', async () => {
    let bUp = true
    const { send } = await createFixture(
      { a: refused, b: () => (bUp ? stored() : refused()) },
      buffered,
    )
    await send('m v=1 1')
    bUp = false
    expect(await send('m v=2 2')).toMatchObject({ status: 503 })
  })

  test('writes that do not fit into the buffer are dropped, and the log counts them', async () => {
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

  test('a database that the backend does not have does not block the others', async () => {
    const a = ({ query }: { query: URLSearchParams }) =>
      query.get('db') === 'missing' ? answer(404, 'database not found') : stored()
    const { send, bodies } = await createFixture({ a, b: stored }, buffered)
    await send('m v=1 1', 'db=missing')
    await send('m v=2 2', 'db=there')
    expect(bodies('a')).toEqual(['m v=1 1', 'm v=2 2'])
  })

  test('a write with a bad password does not block one with a good one', async () => {
    const a = ({ headers }: { headers: Record<string, string> }) =>
      headers.authorization === 'Basic bad' ? answer(401, 'authorization failed') : stored()
    const { send, bodies } = await createFixture({ a, b: stored }, buffered)
    await send('m v=1 1', 'db=d', 'Basic bad')
    expect(await send('m v=2 2', 'db=d', 'Basic good')).toMatchObject({ status: 204 })
    expect(bodies('a')).toEqual(['m v=1 1', 'm v=2 2'])
  })

  test('a write that one backend stored in part is kept for the other, an unparseable one is not', async () => {
    let up = false
    const a = () => (up ? stored() : refused())
    const b = ({ body }: { body: string }) =>
      body.includes('bad')
        ? answer(400, 'unable to parse')
        : answer(400, 'partial write: x dropped=1')
    const { send, runtime, bodies } = await createFixture({ a, b }, buffered)
    const write = 'm v=1 1\nm v=2i 2'
    expect(await send(write)).toMatchObject({ status: 400 })
    expect(await send('bad', 'db=e')).toMatchObject({ status: 400 })
    // The only point was dropped.
    expect(await send('m v=3i 3', 'db=f')).toMatchObject({ status: 400 })
    up = true
    await runtime.clock.advance(500)
    expect(bodies('a')).toEqual([write, 'bad', 'm v=3i 3', write])
  })

  test('a rejection of a write that another backend has stored is logged', async () => {
    const slow = later()
    const late = await createFixture({ a: slow.handler, b: stored }, buffered)
    await late.send('m v=1 1')
    await slow.respond(answer(400, 'field type conflict'))
    expect(late.logged('rejected acknowledged points')[0]).toContain('field type conflict')
  })

  test('an empty write that fails is not buffered', async () => {
    const { send, relay } = await createFixture({ a: refused, b: stored }, buffered)
    expect(await send('')).toMatchObject({ status: 204 })
    expect(relay.undeliveredBytes).toBe(0)
  })

  test('the log says that a backend has recovered, and after how long', async () => {
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

  test('a write whose client expects no answer is kept and delivered', async () => {
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
  test('batches overlap only until the relay owns a write among them', async () => {
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
