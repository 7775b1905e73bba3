import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { type Bench, httpRelay, output } from './bench.ts'
import { store, write } from './client.ts'
import { answering, type FaultyBackend, startFaulty, storing } from './faulty-backend.ts'
import { numbers, point, stored, T } from './points.ts'
import { patience, type RelayProcess } from './relay-process.ts'
import { SHARED_POINTS, Writers } from './writers.ts'

/** Writes that are buffered in memory for a server that is down or slow. */
export function buffers(bench: Bench): void {
  describe('a buffer', () => {
    realFaults(bench)
    databases(bench)
    order(bench)
    bounds(bench)
  })
}

const buffered = { 'buffer-size-mb': 64, 'max-delay-interval': '1s' }

async function storeEach(relay: RelayProcess, db: string, lines: string[]): Promise<void> {
  for (const line of lines) await store(relay.url(), `db=${db}`, line)
}

function realFaults(bench: Bench): void {
  test('brings a server that was killed up to date, overwritten points too', async () => {
    const db = await bench.database()
    const relay = await bench.relay(httpRelay(bench.outputs(buffered)))
    onTestFinished(() => bench.b.start())
    const writers = new Writers(relay.url(), db, 20)
    await writers.haveWritten(50)
    await bench.b.kill()
    await writers.haveWritten(300)
    await bench.b.start()
    await writers.haveWritten(400)
    const statuses = await writers.stop()
    expect(new Set(statuses)).toEqual(new Set([204]))
    await relay.waitForLine('backend failed', { backend: 'b' })
    const rows = await bench.expectSameRows(db, statuses.length + SHARED_POINTS)
    expect(rows.filter((row) => row.includes('shared'))).toHaveLength(SHARED_POINTS)
    await relay.waitForLine('backend recovered', { backend: 'b' })
  })

  test('brings a server that was frozen up to date', async () => {
    const db = await bench.database()
    // The server that is well may take its time: the machine may be busy.
    const outputs = [
      output('a', bench.a, buffered),
      output('b', bench.b, { ...buffered, timeout: '1s' }),
    ]
    const relay = await bench.relay(httpRelay(outputs))
    bench.b.pause()
    onTestFinished(() => bench.b.resume())
    const lines = numbers(100).map(point)
    await storeEach(relay, db, lines)
    await relay.waitForLine('backend failed', { backend: 'b', reason: 'no answer within 1000 ms' })
    bench.b.resume()
    await bench.expectRows(db, stored(...lines))
  })
}

function databases(bench: Bench): void {
  test('of one database does not wait for another one that the server lacks', async () => {
    const db = await bench.database()
    const lacking = `${db}_lacking`
    await bench.a.query(`CREATE DATABASE ${lacking}`)
    const relay = await bench.relay(httpRelay(bench.outputs(buffered)))
    await store(relay.url(), `db=${lacking}`, point(1))
    await relay.waitForLine('backend failed', { backend: 'b', db: lacking })
    await store(relay.url(), `db=${db}`, point(2))
    await bench.expectRows(db, stored(point(2)))
    await bench.b.query(`CREATE DATABASE ${lacking}`)
    await bench.expectRows(lacking, stored(point(1)))
  })

  test('loses nothing but the one write that a server will never take', async () => {
    const db = await bench.database()
    const relay = await bench.relay(httpRelay(bench.outputs(buffered)))
    onTestFinished(() => bench.b.start())
    await store(bench.b.url, `db=${db}`, `n v="a string, on b alone" ${T}`)
    await bench.b.kill()
    await storeEach(relay, db, [point(0), point(1), `n v=1 ${T + 1n}`, point(2), point(3)])
    await bench.b.start()
    const warning = await relay.waitForLine('backend rejected acknowledged points', { db })
    expect(warning).toMatchObject({ backend: 'b', level: 'warn', points: '1' })
    expect(warning.reason).toContain('already exists as type string dropped=1')
    await bench.expectSameRows(db, 4, 'm')
  })
}

/** Lets a backend recover; returns it with nothing but what it is sent from then on. */
async function recover(relay: RelayProcess, backend: FaultyBackend): Promise<void> {
  backend.received.length = 0
  backend.behaviour = storing
  await relay.waitForLine('backend recovered', { backend: 'faulty' })
}

function order(bench: Bench): void {
  test('is emptied in the order in which writes were accepted, many at a time', async () => {
    const db = await bench.database()
    const backend = await startFaulty(answering(500, 'engine trouble'))
    const outputs = [output('a', bench.a), output('faulty', backend, buffered)]
    const relay = await bench.relay(httpRelay(outputs))
    await storeEach(relay, db, numbers(200).map(point))
    await recover(relay, backend)
    await store(relay.url(), `db=${db}`, point(200))
    await vi.waitFor(() => expect(backend.lines.at(-1)).toBe(point(200)), patience)
    expect(backend.lines).toEqual(numbers(201).map(point))
    expect(backend.received.length).toBeLessThan(20)
  })

  test('keeps nothing of a write that was answered with an error', async () => {
    const one = await startFaulty(answering(500, 'engine trouble'))
    const two = await startFaulty(answering(500, 'engine trouble'))
    const outputs = [output('one', one, buffered), output('two', two, buffered)]
    const relay = await bench.relay(httpRelay(outputs))
    expect((await write(relay.url(), 'db=d', point(0))).status).toBe(500)
    for (const backend of [one, two]) {
      backend.received.length = 0
      backend.behaviour = storing
    }
    await store(relay.url(), 'db=d', point(1))
    for (const backend of [one, two]) {
      await vi.waitFor(() => expect(backend.lines).toEqual([point(1)]), patience)
    }
  })
}

function bounds(bench: Bench): void {
  test('that is full loses later writes, says so, and delivers the earlier ones', async () => {
    const db = await bench.database()
    const backend = await startFaulty(answering(503, 'too busy'))
    const keys = { ...buffered, 'buffer-size-mb': 1 }
    const outputs = [output('a', bench.a), output('faulty', backend, keys)]
    const relay = await bench.relay(httpRelay(outputs))
    const large = (i: number) => `m v="${'x'.repeat(100_000)}" ${T + BigInt(i)}`
    await storeEach(relay, db, numbers(20).map(large))
    const lacking = { backend: 'faulty', reason: 'buffer full', db, points: '1' }
    await relay.waitForLine('backend lacks acknowledged points', lacking)
    await recover(relay, backend)
    await store(relay.url(), `db=${db}`, large(20))
    await vi.waitFor(() => expect(backend.lines.at(-1)).toBe(large(20)), patience)
    // Ten times 100,000 bytes and some go into 1 MB.
    expect(backend.lines).toEqual([...numbers(10).map(large), large(20)])
  })
}
