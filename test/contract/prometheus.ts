import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { remoteRead, remoteWrite, snappy } from '../support/remote-write.ts'
import { type Bench, httpRelay, output, setUpRelay } from './bench.ts'
import { request, store } from './client.ts'
import { gapsOf, onDisk } from './durability.ts'
import { startFaulty, storing } from './faulty-backend.ts'
import { numbers, T } from './points.ts'
import { patience } from './relay-process.ts'

/** Milliseconds of the first sample. */
const START = Number(T / 1_000_000n)

/** A body with one sample of one metric. */
const sample = (i: number, value = i) =>
  remoteWrite({ labels: { __name__: 'up', i: String(i) }, samples: [[value, START + i]] })

export const post = (
  url: string,
  query: string,
  body: Uint8Array | string,
  headers: Record<string, string> = {},
) => request(`${url}/api/v1/prom/write?${query}`, { method: 'POST', body, headers })

/** Remote writes and reads of Prometheus. */
export function prometheus(bench: Bench): void {
  describe('a remote write of Prometheus', () => {
    taken(bench)
    kept(bench)
    refused(bench)
  })
  describe('a remote read of Prometheus', () => reads(bench))
}

function taken(bench: Bench): void {
  const relay = setUpRelay(bench, () => httpRelay(bench.outputs({ gzip: true })))

  test('is stored as if each server had got it', async () => {
    const db = await bench.database('month')
    const direct = await bench.database('month')
    const bodies = [sample(1), sample(2), remoteWrite(large(2000))]
    for (const [i, body] of bodies.entries()) {
      const rp = i === 1 ? '&rp=month' : ''
      expect(await post(relay().url(), `db=${db}${rp}`, body)).toMatchObject({ status: 204 })
      expect(await post(bench.a.url, `db=${direct}${rp}`, body)).toMatchObject({ status: 204 })
    }
    const rows = await bench.a.rows(direct)
    expect(rows).toHaveLength(2002)
    await bench.expectRows(db, rows)
  })

  test('is sent alone, however many come at a time', async () => {
    const db = await bench.database()
    const answers = numbers(200).map((i) => post(relay().url(), `db=${db}`, sample(i)))
    const statuses = (await Promise.all(answers)).map(({ status }) => status)
    expect(new Set(statuses)).toEqual(new Set([204]))
    await bench.expectSameRows(db, 200)
  })
}

/** A series with many samples. */
const large = (count: number) => ({
  labels: { __name__: 'large', text: 'x'.repeat(1000) },
  samples: numbers(count).map((i) => [i, START + i] as const),
})

function kept(bench: Bench): void {
  test('reaches a server that was down, in its place among the other writes', async () => {
    const db = await bench.database()
    const configuration = await onDisk(bench)
    const relay = await bench.relay(configuration)
    const row = await lineOf(bench, sample(1))
    onTestFinished(() => bench.b.start())
    await bench.b.kill()
    await post(relay.url(), `db=${db}`, sample(1, 10))
    await store(relay.url(), `db=${db}`, row('20'))
    await post(relay.url(), `db=${db}`, sample(1, 30))
    await store(relay.url(), `db=${db}`, `other v=1 ${T}`)
    await relay.stop('SIGKILL')
    const next = await bench.relay(configuration)
    await bench.b.start()
    await bench.expectRows(db, [`autogen ${row('30')}`, `autogen other v=1 ${T}`])
    expect(next.lines('backend lacks acknowledged points')).toEqual([])
  })

  test('that a server never takes is a loss of one write, and a dead letter', async () => {
    const db = await bench.database()
    const configuration = await onDisk(bench)
    const relay = await bench.relay(configuration)
    const row = await lineOf(bench, sample(7))
    onTestFinished(() => bench.b.start())
    await store(bench.b.url, `db=${db}`, row('"a string, on b alone"'))
    await bench.b.kill()
    expect(await post(relay.url(), `db=${db}`, sample(7))).toMatchObject({ status: 204 })
    await bench.b.start()
    const warning = await relay.waitForLine('backend rejected acknowledged points', { db })
    expect(warning).toMatchObject({ backend: 'b', writes: '1' })
    const [gap] = await vi.waitFor(async () => {
      const gaps = await gapsOf(bench, configuration)
      expect(gaps).toHaveLength(1)
      return gaps
    }, patience)
    expect(gap).toMatchObject({ backend: 'b', database: db, points: 0, writes: 1 })
    const folder = join(configuration['data-dir'], 'dead-letters')
    const [name = ''] = await readdir(folder)
    expect(name).toMatch(/^b\.d\d+\.remote-write\.000001\.base64$/)
    const lines = (await readFile(join(folder, name), 'utf8')).trimEnd().split('\n')
    expect(Buffer.from(String(lines.at(-1)), 'base64')).toEqual(Buffer.from(sample(7)))
  })
}

/** The line of a body with one sample, with another value in it. */
async function lineOf(bench: Bench, body: Uint8Array): Promise<(value: string) => string> {
  const db = await bench.database()
  await post(bench.a.url, `db=${db}`, body)
  const [row = ''] = await bench.a.rows(db)
  return (value) => row.replace(/^autogen /, '').replace(/=[^=]*( \d+)$/, `=${value}$1`)
}

function refused(bench: Bench): void {
  const relay = setUpRelay(bench, () => httpRelay(bench.outputs()))
  const cases: [string, Uint8Array | string, string, number][] = [
    ['that is no Snappy', 'garbage', 'snappy: corrupt input', 400],
    ['that is no protobuf', snappy(Uint8Array.of(0xff, 0xff)), 'unexpected EOF', 400],
    ['in gzip', gzipSync(sample(1)), 'snappy: corrupt input', 400],
    ['that is empty', '', 'snappy: corrupt input', 400],
  ]

  test.each(cases)('%s gets the answer of a server', async (_, body, error, status) => {
    const db = await bench.database()
    const headers = { 'content-encoding': 'gzip' }
    const answer = await post(relay().url(), `db=${db}`, body, headers)
    expect(answer).toMatchObject({ status, headers: { 'x-influxdb-error': error } })
    expect(answer.body).toBe((await post(bench.a.url, `db=${db}`, body)).body)
  })

  test('of a database that is missing gets the answer of a server', async () => {
    const answer = await post(relay().url(), 'db=missing', sample(1))
    expect(answer).toMatchObject({
      status: 404,
      body: '{"error":"database not found: \\"missing\\""}\n',
    })
  })

  test('without a database is refused', async () => {
    const answer = await post(relay().url(), '', sample(1))
    expect(answer).toMatchObject({ status: 400, body: '{"error":"database is required"}\n' })
  })

  test('of version 2, of which influxd would store nothing, is refused', async () => {
    const headers = {
      'content-type': 'application/x-protobuf;proto=io.prometheus.write.v2.Request',
    }
    const answer = await post(relay().url(), 'db=d', sample(1), headers)
    expect(answer).toMatchObject({ status: 415 })
  })

  test('larger than max-body-size-mb is refused', async () => {
    const small = await bench.relay(httpRelay(bench.outputs(), { 'max-body-size-mb': 1 }))
    const answer = await post(small.url(), 'db=d', new Uint8Array(1024 * 1024 + 1))
    expect(answer).toMatchObject({ status: 413 })
  })

  test('goes to the endpoint that the output names', async () => {
    const faulty = await startFaulty(storing)
    const endpoints = { write: '/write', write_prom: '/api/v1/write' }
    const out = { ...output('vm', faulty), location: faulty.url, endpoints }
    const other = await bench.relay(httpRelay([out]))
    await post(other.url(), 'db=d', sample(1))
    expect(faulty.received).toMatchObject([{ path: '/api/v1/write?db=d' }])
  })
}

function reads(bench: Bench): void {
  const read = (url: string, query: string) =>
    request(`${url}/api/v1/prom/read?${query}`, {
      method: 'POST',
      body: remoteRead('up', START, START + 1000),
      headers: { 'accept-encoding': 'snappy' },
    })

  test('is answered by a server that has everything', async () => {
    const db = await bench.database()
    const configuration = { ...(await onDisk(bench)), ...httpRelay(bench.outputs()) }
    const relay = await bench.relay(configuration)
    await post(relay.url(), `db=${db}`, sample(1))
    await bench.expectSameRows(db, 1)
    onTestFinished(() => bench.a.start())
    await bench.a.kill()
    for (const i of numbers(20)) await post(relay.url(), `db=${db}`, sample(i + 2))
    await bench.a.start()
    const direct = await read(bench.b.url, `db=${db}`)
    expect(direct).toMatchObject({ status: 200 })
    for (const _ of numbers(10)) {
      const { status, headers, body } = await read(relay.url(), `db=${db}`)
      expect([status, body]).toEqual([200, direct.body])
      expect(headers['content-type']).toBe('application/x-protobuf')
      expect(headers['content-encoding']).toBe(direct.headers['content-encoding'])
    }
  })

  test('of a database that one server lacks is answered by the other', async () => {
    const db = `${await bench.database()}_only_b`
    await bench.b.query(`CREATE DATABASE ${db}`)
    await post(bench.b.url, `db=${db}`, sample(1))
    const relay = await bench.relay(httpRelay(bench.outputs()))
    const direct = await read(bench.b.url, `db=${db}`)
    for (const _ of numbers(4)) {
      expect(await read(relay.url(), `db=${db}`)).toMatchObject({ status: 200, body: direct.body })
    }
  })

  test.each(['', 'db=missing'])(
    'with the parameters %j gets the error of a server',
    async (query) => {
      const relay = await bench.relay(httpRelay(bench.outputs()))
      const direct = await read(bench.a.url, query)
      const { status, body } = await read(relay.url(), query)
      expect([status, body]).toEqual([direct.status, direct.body])
      expect(status).toBe(400)
    },
  )

  test('that is no Snappy gets the error of a server', async () => {
    const relay = await bench.relay(httpRelay(bench.outputs()))
    const body = 'garbage'
    const answer = await request(`${relay.url()}/api/v1/prom/read?db=d`, { method: 'POST', body })
    expect(answer).toMatchObject({ status: 400, body: '{"error":"snappy: corrupt input"}\n' })
  })
}
