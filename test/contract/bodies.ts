import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { type Bench, httpRelay, setUpRelay } from './bench.ts'
import { store, write } from './client.ts'
import { stored, T } from './points.ts'
import { RawConnection } from './raw-connection.ts'

const MB = 1024 * 1024
const gzip = { headers: { 'content-encoding': 'gzip' } }

/** How bodies may come: compressed, in pieces, too large. */
export function bodies(bench: Bench): void {
  const config = () => httpRelay(bench.outputs(), { 'max-body-size-mb': 2 })
  const relay = setUpRelay(bench, config)
  const url = () => relay().url()
  describe('a gzipped body', () => gzipped(bench, url))
  describe('a body larger than max-body-size-mb', () => tooLarge(bench, url))
}

/** Asserts that a database is empty, and that the relay still does its work. */
async function expectNothingStored(bench: Bench, url: string, db: string): Promise<void> {
  await store(url, `db=${db}`, `after v=1 ${T}`)
  await bench.expectRows(db, stored(`after v=1 ${T}`))
}

function gzipped(bench: Bench, url: () => string): void {
  const line = `m v="ünïcödé" ${T}`
  const whole = gzipSync(line)
  const flipped = Buffer.from(whole)
  flipped[flipped.length - 6] = ~(flipped[flipped.length - 6] as number)

  test('is stored, also if it is several gzips in a row', async () => {
    const db = await bench.database()
    const two = Buffer.concat([gzipSync(`${line}\n`), gzipSync(`m v="b" ${T + 1n}`)])
    for (const body of [whole, two]) {
      expect((await write(url(), `db=${db}`, body, gzip)).status).toBe(204)
    }
    await bench.expectRows(db, stored(line, `m v="b" ${T + 1n}`))
  })

  test.each([
    ['is no gzip', Buffer.from(line)],
    ['is empty', Buffer.alloc(0)],
    ['is cut short', whole.subarray(0, whole.length - 12)],
    ['has a wrong checksum', flipped],
  ])('is 400 if it %s', async (_, body) => {
    const db = await bench.database()
    const answer = await write(url(), `db=${db}`, body, gzip)
    expect(answer.status).toBe(400)
    expect(answer.headers['content-type']).toBe('application/json')
    expect(JSON.parse(answer.body)).toEqual({ error: answer.headers['x-influxdb-error'] })
    await expectNothingStored(bench, url(), db)
  })

  test('is taken for plain text under any other name, as influxd does', async () => {
    const db = await bench.database()
    for (const encoding of ['GZIP', 'identity', 'x-gzip']) {
      const headers = { 'content-encoding': encoding }
      expect((await write(url(), `db=${db}`, line, { headers })).status).toBe(204)
    }
    await bench.expectRows(db, stored(line))
  })
}

function tooLarge(bench: Bench, url: () => string): void {
  const large = `m v="${'x'.repeat(3 * MB)}" ${T}\n`
  const framings: [what: string, framed: string][] = [
    ['its length tells so', `Content-Length: ${large.length}\r\n\r\n${large}`],
    [
      'it comes in chunks',
      `Transfer-Encoding: chunked\r\n\r\n${large.length.toString(16)}\r\n${large}\r\n0\r\n\r\n`,
    ],
  ]
  test.each(framings)('is 413 if %s', async (_, framed) => {
    const db = await bench.database()
    const connection = await RawConnection.open(url())
    connection.send(`POST /write?db=${db} HTTP/1.1\r\nHost: relay\r\n${framed}`)
    const error = 'Request Entity Too Large'
    expect(await connection.answer()).toMatchObject({
      status: 413,
      headers: { 'content-type': 'application/json', 'x-influxdb-error': error },
      body: `{"error":"${error}"}\n`,
    })
    await connection.expectUsableOrClosed()
    await expectNothingStored(bench, url(), db)
  })

  test('is 413 before it is sent, to a client that asks whether to go on', async () => {
    const db = await bench.database()
    const connection = await RawConnection.open(url())
    connection.head(`/write?db=${db}`, 'Expect: 100-continue', `Content-Length: ${large.length}`)
    expect((await connection.finalAnswer())?.status).toBe(413)
    await expectNothingStored(bench, url(), db)
  })

  test('is so by a single byte', async () => {
    const db = await bench.database()
    // A comment: newer servers refuse a string of more than one megabyte.
    const line = `m v=1 ${T}`
    const body = (length: number) => `${line}\n#`.padEnd(length, 'x')
    expect((await write(url(), `db=${db}`, body(2 * MB + 1))).status).toBe(413)
    await store(url(), `db=${db}`, body(2 * MB))
    await bench.expectRows(db, stored(line))
  })
}
