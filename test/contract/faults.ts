import { describe, expect, test } from 'vitest'
import { type Bench, httpRelay, output } from './bench.ts'
import { type Answer, store, write } from './client.ts'
import {
  answering,
  type Behaviour,
  babbling,
  closing,
  FaultyBackend,
  hanging,
  startFaulty,
  storing,
} from './faulty-backend.ts'
import { point, stored } from './points.ts'
import type { RelayProcess } from './relay-process.ts'

/** The answers to clients when servers fail and have no buffer. */
export function faults(bench: Bench): void {
  describe('while one server stores, another one', () => harmless(bench))
  describe('without a server that stores, the answer', () => fatal(bench))
  decided(bench)
  restarted(bench)
}

/** A relay with these outputs, by name. It waits a second for an answer of those that hang. */
function relayTo(bench: Bench, servers: Record<string, { url: string }>): Promise<RelayProcess> {
  const outputs = Object.entries(servers).map(([name, server]) =>
    output(name, server, hangs(server) ? { timeout: '1s' } : {}),
  )
  return bench.relay(httpRelay(outputs))
}

const hangs = (server: { url: string }) =>
  server instanceof FaultyBackend && server.behaviour === hanging

const nowhere = { url: 'http://127.0.0.1:1' }

const failing: [what: string, Behaviour, reason: string | RegExp][] = [
  ['answers 500', answering(500, 'engine trouble'), '500 {"error":"engine trouble"}'],
  ['answers 503', answering(503, 'too busy'), '503 {"error":"too busy"}'],
  ['answers 404', answering(404, 'no such database'), '404 {"error":"no such database"}'],
  ['answers 401', answering(401, 'who are you?'), '401 {"error":"who are you?"}'],
  ['redirects', answering(307, undefined, { location: '/write' }), '307'],
  ['hangs', hanging, 'no answer within 1000 ms'],
  ['closes the connection', closing, /hang up|ECONNRESET|clos/i],
  ['speaks no HTTP', babbling, /Parse Error/],
]

function harmless(bench: Bench): void {
  test.each(failing)('that %s does no harm and is named', async (_, behaviour, reason) => {
    const db = await bench.database()
    const faulty = await startFaulty(behaviour)
    const relay = await relayTo(bench, { faulty, a: bench.a })
    for (const i of [1, 2]) await store(relay.url(), `db=${db}`, point(i))
    await bench.expectRowsAt(bench.a, db, stored(point(1), point(2)))
    const line = await relay.waitForLine('backend failed', { backend: 'faulty', db })
    expect(line.reason).toMatch(reason)
  })

  test('that is down does no harm and is named', async () => {
    const db = await bench.database()
    const relay = await relayTo(bench, { a: bench.a, nowhere })
    await store(relay.url(), `db=${db}`, point(1))
    await bench.expectRowsAt(bench.a, db, stored(point(1)))
    const line = await relay.waitForLine('backend failed', { backend: 'nowhere', level: 'warn' })
    expect(line.reason).toContain('ECONNREFUSED')
    await relay.waitForLine('backend lacks acknowledged points', { backend: 'nowhere', db })
  })
}

function fatal(bench: Bench): void {
  const answerOf = async (...servers: { url: string }[]) => {
    const relay = await relayTo(bench, Object.fromEntries(servers.entries()))
    return write(relay.url(), 'db=d', point(1))
  }

  test('is 503 with Retry-After when both are down', async () => {
    expectUnavailable(await answerOf(nowhere, nowhere))
  })

  test('is 503 with Retry-After when both hang', async () => {
    expectUnavailable(await answerOf(await startFaulty(hanging), await startFaulty(hanging)))
  })

  test('is 503 when one redirects: the relay does not follow', async () => {
    const target = await startFaulty(storing)
    const location = `${target.url}/write?db=d`
    const faulty = await startFaulty(answering(302, undefined, { location }))
    const answer = await answerOf(faulty, nowhere)
    expectUnavailable(answer)
    expect(answer.headers.location).toBeUndefined()
    expect(target.received).toEqual([])
    expect(faulty.received).toHaveLength(1)
  })

  test("is a server's own 5xx, with its Retry-After", async () => {
    const faulty = await startFaulty(answering(503, 'full', { 'retry-after': '7' }))
    const answer = await answerOf(nowhere, faulty)
    expect(answer).toMatchObject({ status: 503, body: '{"error":"full"}\n' })
    expect(answer.headers['retry-after']).toBe('7')
  })

  test('is the one that tells what an operator must put right', async () => {
    const trouble = await startFaulty(answering(500, 'engine trouble'))
    const missing = await startFaulty(answering(404, 'database not found'))
    expect((await answerOf(trouble, missing, nowhere)).status).toBe(404)
  })
}

function expectUnavailable(answer: Answer): void {
  expect(answer).toMatchObject({ status: 503, body: '{"error":"unable to write points"}\n' })
  expect(answer.headers).toMatchObject({
    'content-type': 'application/json',
    'x-influxdb-error': 'unable to write points',
    'retry-after': '1',
  })
}

function decided(bench: Bench): void {
  test("one server's 400 is the answer, whatever the others do", async () => {
    const rejecting = await startFaulty(answering(400, 'unable to parse: bad'))
    const hung = await startFaulty(hanging)
    const trouble = await startFaulty(answering(500, 'engine trouble'))
    const relay = await relayTo(bench, { hung, rejecting, trouble, nowhere })
    const answer = await write(relay.url(), 'db=d', point(1))
    expect(answer).toMatchObject({ status: 400, body: '{"error":"unable to parse: bad"}\n' })
  })
}

function restarted(bench: Bench): void {
  test('a server that was killed and started again is used again', async () => {
    const db = await bench.database()
    const relay = await bench.relay(httpRelay(bench.outputs()))
    await store(relay.url(), `db=${db}`, point(1))
    await bench.expectRows(db, stored(point(1)))
    await bench.b.kill()
    await store(relay.url(), `db=${db}`, point(2))
    await relay.waitForLine('backend failed', { backend: 'b' })
    await bench.b.start()
    await store(relay.url(), `db=${db}`, point(3))
    const line = await relay.waitForLine('backend recovered', { backend: 'b' })
    expect(Number(line.after_seconds)).toBeGreaterThanOrEqual(0)
    await bench.expectRowsAt(bench.b, db, stored(point(1), point(3)))
  })
}
