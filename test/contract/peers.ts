import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { type Influxd, startInfluxd } from '../real/influxd.ts'
import { type Bench, httpRelay, output } from './bench.ts'
import { request, store } from './client.ts'
import { numbers, point } from './points.ts'
import { RelayPair } from './relay-pair.ts'
import { patience } from './relay-process.ts'

/** Two relays that tell each other what they have yet to deliver. */
export function peers(bench: Bench): void {
  let a: Influxd
  let b: Influxd
  let databases = 0

  beforeAll(async () => {
    ;[a, b] = (await Promise.all([startInfluxd(), startInfluxd()])) as [Influxd, Influxd]
  })
  afterAll(() => Promise.all([a, b].map((server) => server?.stop())))

  const database = async () => {
    const name = `p${++databases}`
    for (const server of [a, b]) await server.query(`CREATE DATABASE ${name}`)
    return name
  }

  const pair = async (keys: Record<string, unknown> = {}) => {
    const relays = await RelayPair.create(bench.command, { a, b }, keys)
    onTestFinished(() => relays.end())
    await Promise.all([relays.start(0), relays.start(1)])
    for (const url of [0, 1].map((i) => relays.urlOf(i))) {
      await vi.waitFor(async () => expect(await readiness(url, 'a')).toBe(200), patience)
    }
    return relays
  }

  const kill = async (server: Influxd) => {
    await server.kill()
    onTestFinished(() => server.start())
  }

  const countAt = async (url: string, db: string) => {
    const { status, headers, body } = await request(
      `${url}/query?db=${db}&q=${encodeURIComponent('SELECT count(v) FROM m')}`,
    )
    const [result] = JSON.parse(body).results ?? []
    const count = result?.series?.[0].values[0][1] ?? 0
    return { status, count, behind: headers['x-relay-behind'] }
  }

  const readiness = async (url: string, name: string) =>
    (await request(`${url}/ready/query/${name}`)).status

  /** A relay with a peer at an address of the test's own. */
  const relayWithPeer = async (url: string, data = {}) => {
    const outputs = [output('a', a), output('b', b)]
    return bench.relay(httpRelay(outputs, { peers: [url] }, data))
  }

  const fakePeer = async (listener: RequestListener) => {
    const server = createServer(listener).listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    onTestFinished(() => {
      server.closeAllConnections()
      server.close()
    })
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  describe('a query through one of two relays', () => {
    test('finds what was just written through the other, also while a server was down', async () => {
      const db = await database()
      const relays = await pair({ 'replay-rate-limit': 100 })
      let count = 0
      const writeAndRead = async (times: number) => {
        for (const i of numbers(times)) {
          await store(relays.urlOf(i % 2), `db=${db}`, point(count++))
          const other = relays.urlOf((i + 1) % 2)
          expect(await countAt(other, db)).toEqual({ status: 200, count, behind: undefined })
        }
      }
      await writeAndRead(30)
      // Without a, nothing else has what b has yet to take.
      for (const i of [0, 1]) {
        const isReady = async () => expect(await readiness(relays.urlOf(i), 'b')).toBe(200)
        await vi.waitFor(isReady, patience)
      }
      await kill(a)
      await writeAndRead(10)
      await a.start()
      await writeAndRead(10)
    })

    test('goes to no server that lacks what a dead relay keeps, until that is back', async () => {
      const db = await database()
      const relays = await pair()
      await store(relays.urlOf(0), `db=${db}`, point(0))
      await kill(a)
      await store(relays.urlOf(0), `db=${db}`, point(1))
      await relays.kill(0)
      await a.start()
      for (const _ of numbers(10)) {
        expect(await countAt(relays.urlOf(1), db)).toEqual({
          ...{ status: 200, count: 2, behind: undefined },
        })
      }
      expect(await readiness(relays.urlOf(1), 'a')).toBe(503)
      expect(await readiness(relays.urlOf(1), 'b')).toBe(200)
      await relays.relay(1).waitForLine('peer does not answer')
      await relays.start(0)
      const isReady = async () => expect(await readiness(relays.urlOf(1), 'a')).toBe(200)
      await vi.waitFor(isReady, patience)
      expect(await readiness(relays.urlOf(0), 'a')).toBe(200)
      await relays.relay(1).waitForLine('peer answers again')
    })

    test('is answered, and the answer says so, while a peer was never heard of', async () => {
      const db = await database()
      const relays = await RelayPair.create(bench.command, { a, b })
      onTestFinished(() => relays.end())
      await relays.start(1)
      await store(relays.urlOf(1), `db=${db}`, point(0))
      const { status, count, behind } = await countAt(relays.urlOf(1), db)
      expect([status, count]).toEqual([200, 1])
      expect(behind).toMatch(
        new RegExp(
          `^output=[ab]; bytes=0; points=0; since=unknown; unheard=127.0.0.1:${relays.ports[0]}$`,
        ),
      )
      expect(await readiness(relays.urlOf(1), 'a')).toBe(503)
      await relays.start(0)
      await vi.waitFor(
        async () => expect((await countAt(relays.urlOf(1), db)).behind).toBeUndefined(),
        patience,
      )
    })
  })

  const huge = JSON.stringify({ relay: 'x', outputs: 'y'.repeat(10_000_000) })
  test.each<[string, RequestListener]>([
    ['never answers', () => {}],
    ['closes the connection', (incoming) => incoming.socket.destroy()],
    ['answers 500', (_, response) => response.writeHead(500).end()],
    ['answers no JSON', (_, response) => response.end('<html>')],
    ['answers JSON of another shape', (_, response) => response.end('{"relay":1,"outputs":{}}')],
    ['answers 10 MB', (_, response) => response.end(huge)],
    [
      'sends a byte each second',
      (_, response) => {
        const timer = setInterval(() => response.write(' '), 1000)
        response.on('close', () => clearInterval(timer))
      },
    ],
  ])('a peer that %s neither stops queries nor writes, and is logged once', async (_, listener) => {
    const db = await database()
    const relay = await relayWithPeer(await fakePeer(listener))
    await relay.waitForLine('peer does not answer')
    for (const i of numbers(5)) {
      await store(relay.url(), `db=${db}`, point(i))
      const { status, behind } = await countAt(relay.url(), db)
      expect([status, behind]).toEqual([200, expect.stringContaining('; unheard=127.0.0.1:')])
    }
    expect(relay.lines('peer does not answer')).toHaveLength(1)
  })

  test('a peer without an output for a server makes that server behind, and is logged', async () => {
    const db = await database()
    const report = {
      relay: 'x',
      outputs: [{ output: 'b', complete: true, gap: false, bytes: 0, points: 0, since: null }],
    }
    const url = await fakePeer((_, response) => response.end(JSON.stringify(report)))
    const relay = await relayWithPeer(url)
    for (const i of numbers(4)) {
      await store(relay.url(), `db=${db}`, point(i))
      expect(await countAt(relay.url(), db)).toMatchObject({ count: i + 1, behind: undefined })
    }
    expect(await readiness(relay.url(), 'a')).toBe(503)
    expect(await readiness(relay.url(), 'b')).toBe(200)
    expect(relay.lines('peer has no such output')).toMatchObject([{ output: 'a' }])
  })

  test('what strangers ask as peers is answered, and changes nothing', async () => {
    const db = await database()
    const relay = await bench.relay(httpRelay([output('a', a), output('b', b)]))
    await store(relay.url(), `db=${db}`, point(0))
    const get = async (path: string) => {
      const { status, body } = await request(relay.url() + path)
      return {
        status,
        outputs: JSON.parse(body).outputs?.map(({ output }: { output: string }) => output),
      }
    }
    expect(await get('/peer/kept')).toEqual({ status: 200, outputs: ['a', 'b'] })
    expect(await get(`/peer/behind?db=${db}&output=a&wait=1e99`)).toEqual({
      ...{ status: 200, outputs: ['a'] },
    })
    expect(await get('/peer/behind?output=nobody&wait=-1&all=x')).toEqual({
      ...{ status: 200, outputs: [] },
    })
    const { status } = await request(`${relay.url()}/peer/kept?relay=x`, { method: 'POST' })
    expect(status).toBe(404)
    expect((await countAt(relay.url(), db)).behind).toBeUndefined()
  })
}
