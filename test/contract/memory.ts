import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { constants, deflateRawSync, gzipSync } from 'node:zlib'
import { expect, test, vi } from 'vitest'
import { type Bench, httpRelay, output } from './bench.ts'
import { store, write } from './client.ts'
import { type Behaviour, startFaulty, storing } from './faulty-backend.ts'
import { numbers, point } from './points.ts'
import { RawConnection } from './raw-connection.ts'
import { patience, type RelayProcess } from './relay-process.ts'

const KB = 1024
const MB = KB * KB

/** What hostile clients and servers can make the relay hold in memory. */
export function memory(bench: Bench): void {
  /** A relay with one backend, which stores. */
  async function start(behaviour: Behaviour = storing, keys = {}) {
    const backend = await startFaulty(behaviour)
    const relay = await bench.relay(httpRelay([output('a', backend)], keys))
    await write(relay.url(), 'db=d', point(0))
    return { backend, relay, idle: await peakMegabytes(relay) }
  }

  test.each(bombs)('a gzip of gigabytes in %s is 413 in the memory of a body', async (_, bomb) => {
    const { relay, idle } = await start()
    for (let i = 0; i < 3; i++) {
      const headers = { 'content-encoding': 'gzip' }
      const answer = await write(relay.url(), 'db=d', bomb, { headers })
      expect(answer).toMatchObject({ status: 413, headers: { 'content-type': 'application/json' } })
    }
    await store(relay.url(), 'db=d', point(1))
    // Three times max-body-size-mb, and what a garbage collector leaves for later.
    expect((await peakMegabytes(relay)) - idle).toBeLessThan(200)
  })

  test('a body in small chunks takes a small multiple of its size', async () => {
    const { relay, idle } = await start()
    const line = `${point(1)} `.padEnd(99)
    const chunks = `64\r\n${line}\n\r\n`.repeat(10_000)
    const connection = await RawConnection.open(relay.url())
    connection.head('/write?db=d', 'Transfer-Encoding: chunked')
    for (const _ of numbers(8)) connection.send(chunks)
    connection.send('0\r\n\r\n')
    expect((await connection.answer())?.status).toBe(204)
    expect((await peakMegabytes(relay)) - idle).toBeLessThan(250)
  })

  test('bodies in chunks of one byte are 413, and little of them is kept', async () => {
    const { relay, idle } = await start()
    const chunks = '1\r\n#\r\n'.repeat(MB)
    const answers = numbers(8).map(async () => {
      const connection = await RawConnection.open(relay.url())
      connection.head('/write?db=d', 'Transfer-Encoding: chunked')
      connection.send(chunks)
      return (await connection.answer())?.status
    })
    expect(new Set(await Promise.all(answers))).toEqual(new Set([413]))
    expect((await peakMegabytes(relay)) - idle).toBeLessThan(250)
  })

  test.each([
    ['25 MB', 12, 25 * MB],
    ['64 KB', 1500, 64 * KB],
    ['1 MB', 400, MB],
  ])('clients that announce %s and send nothing shut nobody out', async (_, count, length) => {
    const { relay, idle } = await start(storing, { 'max-pending-mb': 64 })
    const silent = []
    for (const _ of numbers(count)) {
      const connection = await RawConnection.open(relay.url())
      connection.head('/write?db=d', `Content-Length: ${length}`)
      silent.push(connection)
    }
    await store(relay.url(), 'db=d', point(1))
    await store(relay.url(), 'db=d', `${point(2)}\n`.repeat(10_000))
    for (const connection of silent) {
      expect(connection.isClosed).toBe(false)
      connection.hangUp()
    }
    expect((await peakMegabytes(relay)) - idle).toBeLessThan(200)
  })

  test('clients that send a byte in each of two chunks shut nobody out', async () => {
    const { relay } = await start(storing, { 'max-pending-mb': 16 })
    const slow = []
    for (const _ of numbers(500)) {
      const connection = await RawConnection.open(relay.url())
      connection.head('/write?db=d', 'Transfer-Encoding: chunked')
      slow.push(connection)
    }
    for (const connection of slow) connection.send('1\r\n#\r\n')
    await delay(500)
    for (const connection of slow) connection.send('1\r\n#\r\n')
    await store(relay.url(), 'db=d', `${point(2)}\n`.repeat(10_000))
    for (const connection of slow) connection.hangUp()
  })

  test('bodies that together exceed max-pending-mb are refused or stored, and none hangs', async () => {
    const { relay } = await start(storing, { 'max-pending-mb': 8 })
    const body = `${point(1)}\n`.repeat((4 * MB) / (point(1).length + 1))
    // Bun closes the connection of a client that is still sending.
    const attempt = () =>
      write(relay.url(), 'db=d', body).then(
        ({ status }) => status,
        () => 'closed',
      )
    const outcomes = await Promise.all(numbers(8).map(attempt))
    for (const outcome of outcomes) expect([204, 503, 'closed']).toContain(outcome)
    await store(relay.url(), 'db=d', body)
  })

  test('errors of 10 MB for clients that do not read them are cut', async () => {
    const error = JSON.stringify({ error: 'unable to parse '.repeat((10 * MB) / 16) })
    const { backend, relay, idle } = await start((response) => {
      response.writeHead(400, { 'content-type': 'application/json' }).end(error)
    })
    const unread = []
    for (const _ of numbers(60)) {
      const connection = await RawConnection.open(relay.url())
      connection.pause()
      for (const i of numbers(20)) connection.post('/write?db=d', point(i))
      unread.push(connection)
    }
    await vi.waitFor(() => expect(backend.received.length).toBeGreaterThan(60), patience)
    const answer = await write(relay.url(), 'db=d', point(1))
    expect(answer.status).toBe(400)
    expect(JSON.parse(answer.body).error).toMatch(/^unable to parse .*\.\.\.$/)
    expect(answer.body.length).toBeLessThan(65 * KB)
    for (const connection of unread) connection.hangUp()
    expect((await peakMegabytes(relay)) - idle).toBeLessThan(250)
  })

  test('long names of databases and headers are not kept', async () => {
    const { relay, idle } = await start()
    const name = 'n'.repeat(7000)
    for (const i of numbers(1500)) {
      const query = `db=d&x=${i}${name}`
      const { status } = await write(relay.url(), query, point(i), { headers: { x: name } })
      expect(status).toBe(204)
    }
    expect((await peakMegabytes(relay)) - idle).toBeLessThan(200)
  })

  test.each([
    ['in the middle of their bodies', false],
    ['before their answers come', true],
  ])('clients that go away %s leave little behind', async (_, isWhole) => {
    const { relay, idle } = await start(async (response) => {
      await delay(50)
      storing(response)
    })
    const body = `${point(1)}\n`.repeat(isWhole ? 300 : 3000)
    for (const _ of numbers(bench.size === 'full' ? 3000 : 300)) {
      const connection = await RawConnection.open(relay.url())
      connection.head('/write?db=d', `Content-Length: ${isWhole ? body.length : 2 * body.length}`)
      connection.send(body)
      await delay(1)
      connection.hangUp()
    }
    await store(relay.url(), 'db=d', point(2))
    expect((await peakMegabytes(relay)) - idle).toBeLessThan(300)
  })
}

/** Gigabytes of zeros, compressed to about one thousandth. */
const zeros = deflateRawSync(Buffer.alloc(MB), { finishFlush: constants.Z_FULL_FLUSH })

const onePart = (stated: number) => {
  const end = Buffer.alloc(8)
  end.writeUInt32LE(stated, 4)
  const header = gzipSync('').subarray(0, 10)
  return Buffer.concat([header, repeat(zeros, 4096), deflateRawSync(''), end])
}

const bombs: [what: string, bomb: Uint8Array][] = [
  ['a thousand parts', repeat(gzipSync(Buffer.alloc(MB)), 1024)],
  ['one part', onePart(0)],
  ['one part that says so', onePart(2 ** 32 - 1)],
]

function repeat(bytes: Uint8Array, count: number): Buffer {
  return Buffer.concat(Array<Uint8Array>(count).fill(bytes))
}

/** The most memory that a relay has ever had. */
async function peakMegabytes({ pid }: RelayProcess): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/VmHWM:\s*(\d+) kB/.exec(status)?.[1]) / 1024
}
