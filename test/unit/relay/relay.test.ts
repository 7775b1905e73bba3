import { describe, expect, test } from 'vitest'
import { answer, later, refused, silence, stored } from '../../support/fake-runtime.ts'
import { createFixture } from '../../support/relay-fixture.ts'

const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes)

describe('the answer to a client', () => {
  test('a client gets 204 as soon as one backend has stored its write', async () => {
    const { send } = await createFixture({ a: silence, b: stored })
    expect(await send('m v=1 1')).toMatchObject({ status: 204 })
  })

  test('a client gets 204 although one of two backends is down', async () => {
    const { send, logged } = await createFixture({ a: refused, b: stored })
    expect(await send('m v=1 1')).toMatchObject({ status: 204 })
    expect(logged('backend failed')).toHaveLength(1)
  })

  test("a client gets a backend's 400 at once, with its body and headers", async () => {
    const { send } = await createFixture({ a: silence, b: () => answer(400, 'unable to parse') })
    const { answer: got } = await send('m')
    expect(got).toMatchObject({
      status: 400,
      contentType: 'application/json',
      error: 'unable to parse',
    })
    expect(text(got?.body)).toBe('{"error":"unable to parse"}\n')
  })

  test('a client does not get the 404 of one backend if the other stores the write later', async () => {
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
  ])('a client gets %i rather than %i if no backend stores the write', async (telling, other) => {
    const { send } = await createFixture({
      a: () => answer(other, 'x'),
      b: () => answer(telling, 'y'),
    })
    expect(await send('m v=1 1')).toMatchObject({ status: telling })
  })

  test('a client gets the 5xx of one backend rather than a 503 for the silence of the other', async () => {
    const { send } = await createFixture({ a: refused, b: () => answer(500, 'engine trouble') })
    expect((await send('m v=1 1')).answer).toMatchObject({ status: 500, error: 'engine trouble' })
  })

  test('a client gets 503 with Retry-After if no backend answers', async () => {
    const { send } = await createFixture({ a: refused, b: refused })
    const { answer: got } = await send('m v=1 1')
    expect(got).toMatchObject({ status: 503, retryAfter: '1' })
    expect(text(got?.body)).toBe('{"error":"unable to write points"}\n')
  })

  test('a client gets 503 in place of a 429, for which Telegraf drops its batch', async () => {
    const busy = () => answer(429, 'slow down')
    const { send } = await createFixture({ a: busy, b: busy })
    expect(await send('m v=1 1')).toMatchObject({ status: 503 })
  })

  test('a redirect is not followed and gives the client 503', async () => {
    const redirect = () =>
      new Response(null, { status: 307, headers: { location: 'http://elsewhere/' } })
    const { send, bodies } = await createFixture({ a: redirect, b: redirect })
    expect(await send('m v=1 1')).toMatchObject({ status: 503 })
    expect(bodies('a')).toHaveLength(1)
  })

  test('a client gets the 500 for an unknown retention policy only if no backend has the policy', async () => {
    const missing = () => answer(500, 'retention policy not found: nope')
    const { send } = await createFixture({ a: missing, b: refused })
    expect(await send('m v=1 1')).toMatchObject({ status: 500 })
    const one = await createFixture({ a: missing, b: stored })
    expect(await one.send('m v=1 1')).toMatchObject({ status: 204 })
  })

  test('a client gets the 500 for a name that is not UTF-8 at once', async () => {
    const accuse = () => answer(500, 'field "Name" contains invalid UTF-8')
    const { send } = await createFixture({ a: accuse, b: silence })
    expect(await send(Uint8Array.of(109, 0xff, 32, 118, 61, 49))).toMatchObject({ status: 500 })
    const other = await createFixture({ a: accuse, b: silence })
    const innocent = await other.send('m v=1 1')
    expect(innocent.status).toBeUndefined()
  })

  test('a client gets its answer after the timeout if all backends hang', async () => {
    const { send, runtime } = await createFixture({ a: silence, b: silence }, { timeoutMs: 2000 })
    const sent = await send('m v=1 1')
    await runtime.clock.advance(1999)
    expect(sent.status).toBeUndefined()
    await runtime.clock.advance(1)
    expect(sent.status).toBe(503)
  })
})
