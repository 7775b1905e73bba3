import { describe, expect, test, vi } from 'vitest'
import { type Bench, httpRelay, setUpRelay } from './bench.ts'
import { store } from './client.ts'
import { numbers, point, stored, T } from './points.ts'
import { RawConnection } from './raw-connection.ts'
import { patience } from './relay-process.ts'

/** What may happen on a client's connection. */
export function connections(bench: Bench): void {
  const relay = setUpRelay(bench, () => httpRelay(bench.outputs()))
  const url = () => relay().url()
  describe('a connection', () => {
    severalRequests(bench, url)
    framings(bench, url)
    brokenRequests(bench, url)
  })
  describe('a client that goes away', () => hangUps(bench, url))
  describe.concurrent('a client that is too slow', () => slowClients(bench))
  tooMany(bench)
}

function severalRequests(bench: Bench, url: () => string): void {
  test('serves one request after another', async () => {
    const db = await bench.database()
    const connection = await RawConnection.open(url())
    for (const i of numbers(3)) {
      connection.post(`/write?db=${db}`, point(i))
      expect((await connection.answer())?.status).toBe(204)
    }
    expect(connection.isClosed).toBe(false)
    await bench.expectRows(db, stored(...numbers(3).map(point)))
  })

  test('gets answers in the order of its requests when they come all at once', async () => {
    const db = await bench.database()
    const connection = await RawConnection.open(url())
    const good = `/write?db=${db}`
    const paths = [good, '/write?db=none', good, '/nowhere', good]
    const requests = paths.map((path, i) => {
      const head = `POST ${path} HTTP/1.1\r\nHost: relay\r\n`
      return `${head}Content-Length: ${point(i).length}\r\n\r\n${point(i)}`
    })
    connection.send(requests.join(''))
    const statuses = []
    for (const _ of requests) statuses.push((await connection.answer())?.status)
    expect(statuses).toEqual([204, 404, 204, 404, 204])
    await bench.expectRows(db, stored(point(0), point(2), point(4)))
  })
}

function framings(bench: Bench, url: () => string): void {
  test('may send its body in chunks that part a character', async () => {
    const db = await bench.database()
    const connection = await RawConnection.open(url())
    connection.head(`/write?db=${db}`, 'Transfer-Encoding: chunked')
    const body = Buffer.from(`m v="é€🎉",w=1 ${T}`)
    for (const byte of body) connection.send('1\r\n', Buffer.from([byte]), '\r\n')
    connection.send('0\r\n\r\n')
    expect((await connection.answer())?.status).toBe(204)
    await bench.expectRows(db, stored(`m v="é€🎉" ${T}`, `m w=1 ${T}`))
  })

  test('is told to go on when it asks before it sends a body', async () => {
    const db = await bench.database()
    const connection = await RawConnection.open(url())
    const length = `Content-Length: ${point(1).length}`
    connection.head(`/write?db=${db}`, 'Expect: 100-continue', length)
    expect((await connection.answer())?.status).toBe(100)
    connection.send(point(1))
    expect((await connection.answer())?.status).toBe(204)
    await bench.expectRows(db, stored(point(1)))
  })

  test('of HTTP/1.0 without a Host is served and closed', async () => {
    const db = await bench.database()
    const connection = await RawConnection.open(url())
    const length = `Content-Length: ${point(1).length}`
    connection.send(`POST /write?db=${db} HTTP/1.0\r\n${length}\r\n\r\n${point(1)}`)
    expect((await connection.answer())?.status).toBe(204)
    await connection.closed()
    await bench.expectRows(db, stored(point(1)))
  })
}

const start = 'POST /write?db=d HTTP/1.1\r\nHost: relay\r\n'

const broken: [what: string, bytes: string][] = [
  ['is no HTTP', `${point(1)}\n${point(2)}\r\n\r\n`],
  ['has two lengths', `${start}Content-Length: 1\r\nContent-Length: 2\r\n\r\n`],
  ['has a length and chunks', `${start}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n`],
  ['has bad chunks', `${start}Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n`],
  ['has endless headers', `${start}X: ${'x'.repeat(200_000)}\r\n\r\n`],
]

function brokenRequests(bench: Bench, url: () => string): void {
  test.each(broken)('that %s is closed, and others are served', async (_, bytes) => {
    const connection = await RawConnection.open(url())
    connection.send(bytes)
    const answer = await connection.answer()
    if (answer) expect(answer.status).toBeGreaterThanOrEqual(400)
    await connection.closed()
    await store(url(), `db=${await bench.database()}`, point(1))
  })
}

/** The beginnings of writes that never end; what they hold so far would be whole lines. */
const halves: [what: string, half: (path: string) => string][] = [
  ['nothing', () => ''],
  ['half the headers', (path) => `POST ${path} HTTP/1.1\r\nHost: rel`],
  [
    'half a body',
    (path) =>
      `POST ${path} HTTP/1.1\r\nHost: relay\r\nContent-Length: 999\r\n\r\n${point(1)}\n${point(2)}\n`,
  ],
  [
    'a chunk without an end',
    (path) =>
      `POST ${path} HTTP/1.1\r\nHost: relay\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhalf v=1 1\n\r\n`,
  ],
]

function hangUps(bench: Bench, url: () => string): void {
  test.each(halves)('after %s leaves nothing behind', async (_, half) => {
    const db = await bench.database()
    for (const i of numbers(10)) {
      const connection = await RawConnection.open(url())
      connection.send(half(`/write?db=${db}`))
      if (i % 2 === 0) connection.hangUp()
      else connection.end()
    }
    await store(url(), `db=${db}`, point(0))
    await bench.expectRows(db, stored(point(0)))
  })

  test('before its answer comes harms nobody', async () => {
    const db = await bench.database()
    for (const server of [bench.a, bench.b]) server.pause()
    const connection = await RawConnection.open(url())
    connection.post(`/write?db=${db}`, point(1))
    const other = store(url(), `db=${db}`, point(2))
    connection.hangUp()
    for (const server of [bench.a, bench.b]) server.resume()
    await other
    const rows = await bench.expectSameRows(db)
    expect(rows).toContain(stored(point(2))[0])
  })
}

function slowClients(bench: Bench): void {
  const limits = { 'read-timeout': '1s', 'idle-timeout': '1s' }
  const relay = setUpRelay(bench, () => httpRelay(bench.outputs(), limits))

  const expectCutOff = async (connection: RawConnection) => {
    expect([undefined, 400, 408]).toContain((await connection.answer())?.status)
    await connection.closed()
  }

  test.each(halves)('is cut off after %s, and nothing is stored', async (_, half) => {
    const db = await bench.database()
    const connection = await RawConnection.open(relay().url())
    connection.send(half(`/write?db=${db}`))
    await expectCutOff(connection)
    await store(relay().url(), `db=${db}`, point(0))
    await bench.expectRows(db, stored(point(0)))
  })

  test('is cut off although it goes on sending a byte now and then', async () => {
    const connection = await RawConnection.open(relay().url())
    connection.head('/write?db=d', 'Content-Length: 1000000')
    const drip = setInterval(() => connection.send('\n'), 50)
    await expectCutOff(connection).finally(() => clearInterval(drip))
  })

  test('to ask again loses its connection', async () => {
    const connection = await RawConnection.open(relay().url())
    connection.ping()
    expect((await connection.answer())?.status).toBe(204)
    await connection.closed()
  })
}

async function expectServed(connection: RawConnection): Promise<void> {
  connection.ping()
  expect((await connection.answer())?.status).toBe(204)
}

function tooMany(bench: Bench): void {
  test('a connection past max-connections is told 503, until another one is closed', async () => {
    const relay = await bench.relay(httpRelay(bench.outputs(), { 'max-connections': 2 }))
    const open = () => RawConnection.open(relay.url())
    const [first, second] = [await open(), await open()]
    await expectServed(first)
    await expectServed(second)
    const third = await open()
    expect(await third.answer()).toMatchObject({
      status: 503,
      headers: { 'retry-after': '1', 'x-influxdb-error': 'too many connections' },
      body: '{"error":"too many connections"}\n',
    })
    await third.closed()
    await expectServed(first)
    await relay.waitForLine('connection refused: too many are open', { limit: '2' })
    second.end()
    await second.closed()
    await vi.waitFor(async () => expectServed(await open()), patience)
  })

  test('connections that the system has no files for are refused, and later ones served', async () => {
    const command = ['sh', '-c', 'ulimit -n 256; exec "$0" "$@"', ...bench.command]
    const relay = await bench.relay(httpRelay(bench.outputs()), command)
    const message = 'fewer connections than max-connections can be open'
    const { limit } = await relay.waitForLine(message, { level: 'warn' })
    expect(Number(limit)).toBeGreaterThan(0)
    const opened = await Promise.all(numbers(400).map(() => RawConnection.open(relay.url())))
    // Not all runtimes see a connection that says nothing.
    for (const connection of opened) connection.ping()
    await relay.waitForLine('connection refused: too many are open', { limit: limit as string })
    for (const connection of opened) connection.end()
    await vi.waitFor(async () => expectServed(await RawConnection.open(relay.url())), patience)
  })
}
