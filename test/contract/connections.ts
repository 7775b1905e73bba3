import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test, vi } from 'vitest'
import { type Bench, httpRelay, output, setUpRelay } from './bench.ts'
import { store, write } from './client.ts'
import { holding, startFaulty } from './faulty-backend.ts'
import { numbers, point, stored, T } from './points.ts'
import { RawConnection } from './raw-connection.ts'
import { patience, type RelayProcess } from './relay-process.ts'

/** A client's connection: requests on it, and limits of time and number. */
export function connections(bench: Bench): void {
  const relay = setUpRelay(bench, () => httpRelay(bench.outputs()))
  const url = () => relay().url()
  describe('a connection', () => {
    severalRequests(bench, url)
    framings(bench, url)
    brokenRequests(bench, relay)
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

  // Bun closes a connection on which a request comes while another one is served.
  const expected = bench.runtime === 'bun' ? [] : [204, 404, 204, 404, 204]
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
    for (const _ of expected) statuses.push((await connection.answer())?.status)
    expect(statuses).toEqual(expected)
    if (bench.runtime === 'bun') await connection.closed()
    else await bench.expectRows(db, stored(point(0), point(2), point(4)))
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

  test('gets 100 Continue when it asks before it sends a body', async () => {
    const db = await bench.database()
    const connection = await RawConnection.open(url())
    const length = `Content-Length: ${point(1).length}`
    connection.head(`/write?db=${db}`, 'Expect: 100-continue', length)
    expect((await connection.answer())?.status).toBe(100)
    connection.send(point(1))
    expect((await connection.answer())?.status).toBe(204)
    await bench.expectRows(db, stored(point(1)))
  })

  test('that gives its length twice is served as if once, or refused', async () => {
    const db = await bench.database()
    const connection = await RawConnection.open(url())
    const length = `Content-Length: ${point(1).length}`
    connection.head(`/write?db=${db}`, length, length)
    connection.send(point(1))
    const status = (await connection.answer())?.status
    expect(status).toBe(bench.runtime === 'bun' ? 204 : 400)
  })

  // Bun takes the end of one half for the end of both.
  test.skipIf(bench.runtime === 'bun')('may be closed at its half after a request', async () => {
    const db = await bench.database()
    const connection = await RawConnection.open(url())
    connection.post(`/write?db=${db}`, point(1))
    connection.end()
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
  [
    'has lines that end in LF alone',
    'POST /write?db=d HTTP/1.1\nHost: relay\nContent-Length: 0\n\n',
  ],
  ['has a length and chunks', `${start}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n`],
  ['has bad chunks', `${start}Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n`],
  ['has endless headers', `${start}X: ${'x'.repeat(200_000)}\r\n\r\n`],
]

function brokenRequests(bench: Bench, relay: () => RelayProcess): void {
  const url = () => relay().url()
  test.each(broken)('that %s is refused at once, and others are served', async (_, bytes) => {
    const connection = await RawConnection.open(url())
    connection.send(bytes)
    const answer = await connection.answer()
    if (answer) expect(answer.status).toBeGreaterThanOrEqual(400)
    await connection.closed()
    // Bun does not tell the relay of requests that it refuses.
    if (bench.runtime !== 'bun') await relay().waitForLine('bad request refused', { level: 'warn' })
    await store(url(), `db=${await bench.database()}`, point(1))
  })
}

const isHead = (what: string) => what === 'nothing' || what === 'half the headers'

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
      `POST ${path} HTTP/1.1\r\nHost: relay\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhalf v=1 1\r\n`,
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

  test('before its answer comes does no harm', async () => {
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

  test.each(halves)('is cut off after %s, and nothing is stored', async (what, half) => {
    const db = await bench.database()
    const connection = await RawConnection.open(relay().url())
    connection.send(half(`/write?db=${db}`))
    // Bun closes a connection without a request after 12 seconds, and says nothing.
    const answer = await connection.answer()
    if (bench.runtime !== 'bun' || !isHead(what)) expect(answer?.status).toBe(408)
    await connection.closed()
    await store(relay().url(), `db=${db}`, point(0))
    await bench.expectRows(db, stored(point(0)))
  })

  test('is answered 408 although it goes on sending a byte now and then', async () => {
    // A byte that comes after the relay has closed the connection resets it. Then the answer can be lost.
    await vi.waitFor(async () => {
      const connection = await RawConnection.open(relay().url())
      connection.head('/write?db=d', 'Content-Length: 1000000')
      const drip = setInterval(() => connection.send('\n'), 50)
      const answer = await connection.answer().finally(() => clearInterval(drip))
      await connection.closed()
      expect(answer?.status).toBe(408)
    }, patience)
  })

  test('but sends at a steady rate is served, however long it takes', async () => {
    const db = await bench.database()
    const connection = await RawConnection.open(relay().url())
    const body = Buffer.from(numbers(1000).map(point).join('\n'))
    connection.head(`/write?db=${db}`, `Content-Length: ${body.length}`)
    for (let at = 0; at < body.length; at += 1000) {
      connection.send(body.subarray(at, at + 1000))
      await delay(100)
    }
    expect((await connection.answer())?.status).toBe(204)
    await bench.expectRows(db, stored(...numbers(1000).map(point)))
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
  test.skipIf(bench.runtime === 'bun')(
    'a connection past max-connections is closed, until another one is',
    async () => {
      const relay = await bench.relay(httpRelay(bench.outputs(), { 'max-connections': 2 }))
      const open = () => RawConnection.open(relay.url())
      const [first, second] = [await open(), await open()]
      await expectServed(first)
      await expectServed(second)
      const third = await open()
      await third.closed()
      await expectServed(first)
      // Deno does not tell the relay of connections that it refuses.
      if (bench.runtime !== 'deno') {
        await relay.waitForLine('connection refused: too many are open', { limit: '2' })
      }
      second.end()
      await second.closed()
      await vi.waitFor(async () => expectServed(await open()), patience)
    },
  )

  // Bun limits no connections; the relay limits the requests that are in flight on them.
  test.runIf(bench.runtime === 'bun')(
    'a write past max-connections is answered 503, until another one is answered',
    async () => {
      const { behaviour, release } = holding()
      const backend = await startFaulty(behaviour)
      const relay = await bench.relay(httpRelay([output('a', backend)], { 'max-connections': 1 }))
      const first = store(relay.url(), 'db=d', point(1))
      await vi.waitFor(() => expect(backend.received).toHaveLength(1), patience)
      const answer = await write(relay.url(), 'db=d', point(2))
      expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '1' } })
      release()
      await first
      await store(relay.url(), 'db=d', point(3))
    },
  )

  test('connections that the system has no files for wait, and later ones are served', async () => {
    const command = ['sh', '-c', 'ulimit -n 256; exec "$0" "$@"', ...bench.command]
    const relay = await bench.relay(httpRelay(bench.outputs()), command)
    const message = 'fewer connections than max-connections can be open'
    const { limit } = await relay.waitForLine(message, { level: 'warn' })
    expect(Number(limit)).toBeGreaterThan(0)
    const opened = await Promise.all(numbers(400).map(() => RawConnection.open(relay.url())))
    for (const connection of opened) connection.ping()
    if (bench.runtime === 'node') {
      await relay.waitForLine('connection refused: too many are open', { limit: limit as string })
    }
    for (const connection of opened) connection.end()
    const db = await bench.database()
    await vi.waitFor(() => store(relay.url(), `db=${db}`, point(1)), patience)
    await bench.expectRows(db, stored(point(1)))
  })
}
