import { createCipheriv } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { type Bench, httpRelay, setUpRelay } from './bench.ts'
import { type Answer, store, write } from './client.ts'
import { numbers, point, stored, T } from './points.ts'

/** What influxd says to a client, through the relay. */
export function answers(bench: Bench): void {
  const relay = setUpRelay(bench, () => httpRelay(bench.outputs()))
  const url = () => relay().url()
  describe("influxd's answer", () => {
    refusals(bench, url)
    conflicts(bench, url)
    strangeBytes(bench, url)

    test('does not count as a failure of the server', async () => {
      const db = await bench.database()
      expect((await write(url(), `db=${db}`, 'm\x01\n')).status).toBe(400)
      const failures = relay().lines('backend failed')
      expect(failures.filter((line) => line.db === db)).toEqual([])
    })
  })
}

/** Asserts that the relay answers a write as the server does, and returns the answer. */
/** The relay passes on so much of a server's answer. */
const MAX_BODY_BYTES = 64 * 1024

async function answerOfBoth(
  bench: Bench,
  url: string,
  query: string,
  body: string | Uint8Array,
): Promise<Answer> {
  const direct = await write(bench.a.url, query, body, { tolerant: true })
  const relayed = await write(url, query, body)
  expect(relayed.status).toBe(direct.status)
  expect(relayed.headers['content-type']).toBe(direct.headers['content-type'])
  expect(relayed.headers['x-influxdb-error']).toBe(printable(direct.headers))
  if (Buffer.byteLength(direct.body) <= MAX_BODY_BYTES) expect(relayed.body).toBe(direct.body)
  else expectBeginning(relayed.body, direct.body)
  return relayed
}

function expectBeginning(cut: string, whole: string): void {
  expect(Buffer.byteLength(cut)).toBeLessThan(MAX_BODY_BYTES + 10)
  const [, beginning] = /^(.+)\.\.\.$/s.exec(JSON.parse(cut).error) ?? []
  expect(beginning?.length).toBeGreaterThan(MAX_BODY_BYTES / 10)
  expect(JSON.parse(whole).error.startsWith(beginning)).toBe(true)
}

/** influxd's X-Influxdb-Error in bytes that may stand in a header. */
function printable(headers: Answer['headers']): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: influxd copies them from a bad line
  return String(headers['x-influxdb-error']).replace(/[\x00-\x1f\x7f]/g, ' ')
}

function refusals(bench: Bench, url: () => string): void {
  test('to a missing database is 404', async () => {
    const { status, body } = await answerOfBoth(bench, url(), 'db=none', point(1))
    expect(status).toBe(404)
    expect(JSON.parse(body).error).toContain('database not found: "none"')
  })

  test('to a missing retention policy is 500, as influxd has it', async () => {
    const db = await bench.database()
    const { status, body } = await answerOfBoth(bench, url(), `db=${db}&rp=none`, point(1))
    expect(status).toBe(500)
    expect(body).toContain('retention policy not found: none')
  })

  test('to an unknown consistency level is 400', async () => {
    const db = await bench.database()
    const query = `db=${db}&consistency=some`
    expect((await answerOfBoth(bench, url(), query, point(1))).status).toBe(400)
  })

  test('to several bad lines names each of them', async () => {
    const db = await bench.database()
    const lines = 'one\n<two>\n,three v=1\n'
    const { body } = await answerOfBoth(bench, url(), `db=${db}`, lines)
    expect(JSON.parse(body).error.split('\n')).toHaveLength(3)
  })

  test.each([50_000, 70_000, 300_000])(
    'of %i bytes arrives whole, or cut to 64 KB',
    async (bytes) => {
      const db = await bench.database()
      await answerOfBoth(bench, url(), `db=${db}`, 'x'.repeat(bytes))
    },
  )
}

function conflicts(bench: Bench, url: () => string): void {
  test('to a bad line is its own 400, and the good lines are stored on both', async () => {
    const db = await bench.database()
    const lines = `${point(1)}\nno fields\n${point(2)}\n`
    const answer = await answerOfBoth(bench, url(), `db=${db}`, lines)
    // Newer servers name the database behind it.
    const error = "partial write: unable to parse 'no fields': invalid field format dropped=0"
    expect(answer.status).toBe(400)
    expect(answer.headers['content-type']).toBe('application/json')
    expect(answer.headers['x-influxdb-error']).toContain(error)
    expect(JSON.parse(answer.body)).toEqual({ error: answer.headers['x-influxdb-error'] })
    await bench.expectRows(db, stored(point(1), point(2)))
  })

  test('to a conflict of types is 400, and writes of the right type are stored', async () => {
    const db = await bench.database()
    await store(url(), `db=${db}`, point(1))
    await bench.expectRows(db, stored(point(1)))
    const { status, body } = await answerOfBoth(bench, url(), `db=${db}`, `m v="text" ${T}`)
    expect(status).toBe(400)
    expect(body).toContain('already exists as type float dropped=1')
    await store(url(), `db=${db}`, point(2))
    await bench.expectRows(db, stored(point(1), point(2)))
  })

  test('to a name that is not UTF-8 is 500, or 204 since 1.8, and other writes are stored', async () => {
    const db = await bench.database()
    const bad = Buffer.concat([Buffer.from([0x6d, 0xff]), Buffer.from(` v=1 ${T}`)])
    const { status, body } = await write(url(), `db=${db}`, bad) // influxd takes it the second time
    if (status !== 204) {
      expect(status).toBe(500)
      expect(body).toContain('contains invalid UTF-8')
    }
    await store(url(), `db=${db}`, point(1))
    await bench.expectRows(db, stored(point(1)), 'm')
  })
}

function strangeBytes(bench: Bench, url: () => string): void {
  test('to a megabyte of random bytes is passed on as far as it fits, whatever they are', async () => {
    const db = await bench.database()
    expect((await answerOfBoth(bench, url(), `db=${db}`, garbage(1_000_000))).status).toBe(400)
    await store(url(), `db=${db}`, point(1))
    await bench.expectRows(db, stored(point(1)))
  })

  test('that quotes control bytes arrives with all of them in the body', async () => {
    const db = await bench.database()
    const bytes = numbers(32).filter((byte) => byte !== 0 && byte !== 10)
    const line = `m${String.fromCharCode(...bytes, 127)}`
    const { status, headers, body } = await write(url(), `db=${db}`, `${line}\n`)
    expect(status).toBe(400)
    expect(headers['content-type']).toBe('application/json')
    expect(headers['x-influxdb-error']).toMatch(/^unable to parse 'm +': missing fields/)
    expect(JSON.parse(body).error).toContain(`unable to parse '${line}': missing fields`)
  })
}

/**
 * Random bytes, the same in each run, without a line that influxd can parse: a line with a name that is not
 * UTF-8 would get another answer each time.
 */
function garbage(length: number): Uint8Array {
  const key = Buffer.alloc(16, 'rubbish')
  return createCipheriv('aes-128-ctr', key, key).update(Buffer.alloc(length))
}
