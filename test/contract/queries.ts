import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { InfluxDB } from 'influx'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { run } from '../real/cache.ts'
import { findInfluxd, type Influxd, startInfluxd } from '../real/influxd.ts'
import { type Bench, down, httpRelay, output } from './bench.ts'
import { request, store, write } from './client.ts'
import { answering, type Behaviour, closing, hanging, startFaulty } from './faulty-backend.ts'
import { numbers, point, T } from './points.ts'
import { POINTS, type QueryCase, queryCases } from './query-cases.ts'
import { patience, type RelayProcess } from './relay-process.ts'
import { fetchBytes, StreamedAnswer } from './streamed-answer.ts'

/** Rows that make about 7 MB of an answer. */
const MANY = 50_000

/** Queries through the relay: two servers behind it, and one that is written to directly. */
export function queries(bench: Bench): void {
  const servers = new Servers(bench)
  beforeAll(() => servers.start())
  afterAll(() => servers.stop())
  describe('a query', () => {
    differential(servers)
    completeness(bench, servers)
    failover(bench, servers)
    streams(servers)
    refusals(bench, servers)
    programs(servers)
  })
}

class Servers {
  readonly bench: Bench
  /** The two behind the relay, and the one that is written to directly. */
  a!: Influxd
  b!: Influxd
  plain!: Influxd
  private databases = 0

  constructor(bench: Bench) {
    this.bench = bench
  }

  async start(): Promise<void> {
    const all = await Promise.all([startInfluxd(), startInfluxd(), startInfluxd()])
    ;[this.a, this.b, this.plain] = all as [Influxd, Influxd, Influxd]
  }

  async stop(): Promise<void> {
    await Promise.all([this.a, this.b, this.plain].map((server) => server?.stop()))
  }

  /** Asks all three. */
  async query(q: string): Promise<void> {
    await Promise.all([this.a, this.b, this.plain].map((server) => server.query(q)))
  }

  async database(): Promise<string> {
    const name = `q${++this.databases}`
    await this.query(`CREATE DATABASE ${name}`)
    return name
  }

  outputs(keys: Record<string, unknown> = {}) {
    return [output('a', this.a, keys), output('b', this.b, keys)]
  }

  /** A relay with buffers on disk. */
  async relay(keys: Record<string, unknown> = {}): Promise<RelayProcess> {
    const dir = await mkdtemp(join(tmpdir(), 'relay-'))
    onTestFinished(() => rm(dir, { recursive: true, force: true }))
    const outputs = this.outputs({ 'buffer-size-mb': 64, 'max-delay-interval': '200ms', ...keys })
    return this.bench.relay(httpRelay(outputs, {}, { 'data-dir': dir }))
  }

  /** Kills a server until the end of the test, or until it is started. */
  async kill(server: Influxd): Promise<void> {
    await server.kill()
    onTestFinished(() => server.start())
  }
}

/** One batch is sent at once; the next would be sent after minutes. */
const SLOW_REPLAY = { 'replay-rate-limit': 1, 'max-batch-kb': 1 }

/** A point so long that a batch of a kilobyte holds one. */
const long = (i: number) => `m pad="${'x'.repeat(700)}",v=${i} ${T + BigInt(i)}`

const queryOf = (db: string, q: string, more = '') =>
  `/query?db=${db}&epoch=ns&q=${encodeURIComponent(q)}${more}`

async function countAt(relay: RelayProcess, db: string) {
  const { status, body, headers } = await request(
    relay.url() + queryOf(db, 'SELECT count(v) FROM m'),
  )
  const [result] = JSON.parse(body).results ?? []
  return { status, count: result?.series?.[0].values[0][1] ?? 0, behind: headers['x-relay-behind'] }
}

const isReady = async (relay: RelayProcess, output: string) =>
  (await request(`${relay.url()}/ready/query/${output}`)).status

/** Headers that say the same for every answer of a server, or that belong to a connection. */
const OWN_HEADERS = [
  ...['date', 'request-id', 'x-request-id', 'connection', 'keep-alive'],
  ...['content-length', 'transfer-encoding'],
]

async function answerOf(url: string, query: QueryCase) {
  const { status, headers, body } = await fetchBytes(url + query.path, query)
  const kept = Object.entries(headers).filter(([name]) => !OWN_HEADERS.includes(name))
  return { status, headers: Object.fromEntries(kept), body: body.toString('latin1') }
}

function differential(servers: Servers): void {
  const fill = async (relay: RelayProcess, lines: readonly string[], db: string) => {
    for (let at = 0; at < lines.length; at += 20) {
      const body = lines.slice(at, at + 20).join('\n')
      await store(relay.url(), `db=${db}`, body)
      await store(servers.plain.url, `db=${db}`, body)
    }
  }
  const expectEqual = async (relay: RelayProcess, db: string) => {
    const cases = queryCases(db)
    expect(cases.length).toBeGreaterThan(150)
    const askNext = async () => {
      for (let query = cases.shift(); query; query = cases.shift()) {
        const [through, direct] = await Promise.all([
          answerOf(relay.url(), query),
          answerOf(servers.plain.url, query),
        ])
        expect(through, `${query.method ?? 'GET'} ${query.path.slice(0, 200)}`).toEqual(direct)
      }
    }
    await Promise.all(numbers(4).map(askNext))
  }

  test('is answered byte for byte as by a server that is written to directly', async () => {
    const db = await servers.database()
    const relay = await servers.relay()
    await fill(relay, POINTS, db)
    await expectEqual(relay, db)
  }, 180_000)

  test('is answered the same while one server is down, and while it is back and behind', async () => {
    // Only the first output is asked for what each server has of its own, such as its subscriptions.
    const db = await servers.database()
    const relay = await servers.relay(SLOW_REPLAY)
    await fill(relay, POINTS.slice(0, 2), db)
    await vi.waitFor(async () => expect(await isReady(relay, 'b')).toBe(200), patience)
    await servers.kill(servers.b)
    await fill(relay, POINTS.slice(2), db)
    await expectEqual(relay, db)
    await servers.b.start()
    await expectEqual(relay, db)
    expect(await isReady(relay, 'b')).toBe(503)
    expect(relay.lines('query answered by a server that is behind')).toEqual([])
  }, 180_000)
}

function completeness(bench: Bench, servers: Servers): void {
  test('is never answered by a server that lacks acknowledged writes while another has them', async () => {
    const db = await servers.database()
    const relay = await servers.relay()
    for (let round = 0; round < 3; round++) {
      await servers.kill(servers.a)
      for (const i of numbers(20)) await store(relay.url(), `db=${db}`, point(round * 20 + i))
      await servers.a.start()
      for (const _ of numbers(30)) {
        expect(await countAt(relay, db)).toEqual({
          status: 200,
          count: (round + 1) * 20,
          behind: undefined,
        })
      }
      await vi.waitFor(async () => expect(await isReady(relay, 'a')).toBe(200), patience)
    }
  })

  test('reads what was just written, under load', async () => {
    const db = await servers.database()
    const relay = await servers.relay()
    let isOver = false
    let next = 1000
    const writers = numbers(8).map(async () => {
      while (!isOver) await store(relay.url(), `db=${db}`, `load v=1 ${T + BigInt(next++)}`)
    })
    for (const i of numbers(100)) {
      await store(relay.url(), `db=${db}`, point(i))
      expect((await countAt(relay, db)).count).toBeGreaterThanOrEqual(i + 1)
    }
    isOver = true
    await Promise.all(writers)
  })

  test('is answered by the server that lacks least if no other is up, and the answer says so', async () => {
    const db = await servers.database()
    const relay = await servers.relay(SLOW_REPLAY)
    await store(relay.url(), `db=${db}`, point(0))
    await vi.waitFor(async () => expect(await isReady(relay, 'b')).toBe(200), patience)
    await servers.kill(servers.a)
    for (const i of [1, 2, 3]) await store(relay.url(), `db=${db}`, long(i))
    await servers.a.start()
    await servers.kill(servers.b)
    const { status, count, behind } = await countAt(relay, db)
    expect(status).toBe(200)
    expect(count).toBeLessThan(4)
    expect(behind).toMatch(/^output=a; bytes=\d+; points=0; since=\d{4}-\d\d-\d\dT/)
    const line = await relay.waitForLine('query answered by a server that is behind', {
      backend: 'a',
    })
    expect(line.since).toMatch(/^\d{4}-/)
    expect(await isReady(relay, 'a')).toBe(503)
    await servers.b.start()
    await vi.waitFor(async () => expect((await countAt(relay, db)).count).toBe(4), patience)
  })

  test('knows after a restart which server is behind', async () => {
    const db = await servers.database()
    const dir = await mkdtemp(join(tmpdir(), 'relay-'))
    onTestFinished(() => rm(dir, { recursive: true, force: true }))
    const keys = { 'buffer-size-mb': 8, 'max-delay-interval': '200ms', ...SLOW_REPLAY }
    const configuration = httpRelay(servers.outputs(keys), {}, { 'data-dir': dir })
    const relay = await bench.relay(configuration)
    await servers.kill(servers.a)
    for (const i of numbers(5)) await store(relay.url(), `db=${db}`, long(i))
    await relay.stop('SIGKILL')
    await servers.a.start()
    const next = await bench.relay(configuration)
    for (const _ of numbers(10)) {
      expect(await countAt(next, db)).toEqual({ status: 200, count: 5, behind: undefined })
    }
    expect([await isReady(next, 'a'), await isReady(next, 'b')]).toEqual([503, 200])
  })

  test('is not given to a server with a gap, also not after a restart', async () => {
    const db = await servers.database()
    const other = await servers.database()
    const dir = await mkdtemp(join(tmpdir(), 'relay-'))
    onTestFinished(() => rm(dir, { recursive: true, force: true }))
    const configuration = httpRelay(servers.outputs(), {}, { 'data-dir': dir })
    const relay = await bench.relay(configuration)
    await servers.kill(servers.a)
    await store(relay.url(), `db=${db}`, point(0))
    await servers.a.start()
    for (const i of numbers(3)) await store(relay.url(), `db=${db}`, point(i + 1))
    const expectGap = async (relay: RelayProcess) => {
      for (const _ of numbers(10)) {
        expect(await countAt(relay, db)).toEqual({ status: 200, count: 4, behind: undefined })
      }
      const { body } = await request(`${relay.url()}/ready/query/a`)
      expect(JSON.parse(body).error).toMatch(
        /^it lacks 1 points and has yet to take \d+ bytes, since /,
      )
      expect((await countAt(relay, other)).behind).toBeUndefined()
    }
    await expectGap(relay)
    await relay.stop('SIGKILL')
    await expectGap(await bench.relay(configuration))
  })

  test('of a database whose writes come by another relay of the process waits for them', async () => {
    const db = await servers.database()
    const dir = await mkdtemp(join(tmpdir(), 'relay-'))
    onTestFinished(() => rm(dir, { recursive: true, force: true }))
    const keys = { 'buffer-size-mb': 8, 'max-delay-interval': '200ms', ...SLOW_REPLAY }
    const block = (name: string, more: Record<string, unknown>) => ({
      ...{ name, 'bind-addr': '127.0.0.1:0', output: servers.outputs(keys) },
      ...more,
    })
    const http = [block('writes', { query: false }), block('reads', {})]
    const relay = await bench.relay({ 'data-dir': dir, http })
    await servers.kill(servers.a)
    await store(relay.url('writes'), `db=${db}`, point(0))
    await servers.a.start()
    for (const _ of numbers(10)) {
      const { body } = await request(relay.url('reads') + queryOf(db, 'SELECT v FROM m'))
      expect(JSON.parse(body).results[0].series[0].values).toEqual([[Number(T), 0]])
    }
  })
}

const failing: [what: string, Behaviour][] = [
  ['closes the connection', closing],
  ['answers 500', answering(500, 'engine trouble')],
  ['answers 503', answering(503, 'too busy')],
  ['hangs', hanging],
  ...[
    'database not found: d',
    'shard is disabled',
    'engine is closed',
    'max-concurrent-queries limit exceeded(1, 1)',
  ].map((error): [string, Behaviour] => [`answers 200 with "${error}"`, failed(error)]),
]

/** Answers 200 to a query, with the error of a statement. */
function failed(error: string): Behaviour {
  const body = `${JSON.stringify({ results: [{ statement_id: 0, error }] })}\n`
  return (response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(body)
  }
}

function failover(bench: Bench, servers: Servers): void {
  test.each(failing)(
    'that a server which %s gets is answered by the other',
    async (_, behaviour) => {
      const db = await servers.database()
      await store(servers.a.url, `db=${db}`, point(7))
      const faulty = await startFaulty(behaviour)
      const keys = { 'query-timeout': '1s' }
      const relay = await bench.relay(
        httpRelay([output('faulty', faulty, keys), output('a', servers.a)]),
      )
      for (const _ of numbers(4))
        expect(await countAt(relay, db)).toMatchObject({ status: 200, count: 1 })
      await relay.waitForLine('server did not answer a query', { backend: 'faulty' })
    },
  )

  test('that no server answers gets 503 with Retry-After', async () => {
    const relay = await bench.relay(httpRelay([down('a'), down('b')]))
    const { status, headers, body } = await request(relay.url() + queryOf('d', 'SHOW DATABASES'))
    expect([status, headers['retry-after']]).toEqual([503, '1'])
    expect(JSON.parse(body)).toEqual({ error: 'no server answers queries now' })
  })

  test('gets the error of a server that no other server answers better', async () => {
    const relay = await servers.relay()
    const path = queryOf('nowhere', 'SELECT * FROM m')
    const { status, body } = await request(relay.url() + path)
    expect([status, body]).toEqual([
      200,
      '{"results":[{"statement_id":0,"error":"database not found: nowhere"}]}\n',
    ])
  })

  test('finds the database on the server that has it, in every format', async () => {
    const name = `only_b_${bench.runtime}`
    await servers.b.query(`CREATE DATABASE ${name}`)
    onTestFinished(() => servers.b.query(`DROP DATABASE ${name}`))
    await store(servers.b.url, `db=${name}`, point(3))
    const relay = await servers.relay()
    const ways: [more: string, headers: Record<string, string>][] = [
      ['', {}],
      ['&pretty=true', {}],
      ['&chunked=true', {}],
      ['&chunked=true', { 'accept-encoding': 'gzip' }],
      ['', { 'accept-encoding': 'gzip' }],
      ['', { accept: 'application/x-msgpack' }],
    ]
    for (const [more, headers] of ways) {
      const path = queryOf(name, 'SELECT v FROM m', more)
      for (const _ of numbers(2)) {
        const through = await answerOf(relay.url(), { path, headers })
        expect(through).toEqual(await answerOf(servers.b.url, { path, headers }))
      }
    }
  })

  test('goes to outputs by their weights, and to none with read = false', async () => {
    const [one, two, three] = await Promise.all([0, 1, 2].map(() => startFaulty(failed('other'))))
    if (!one || !two || !three) return
    const outputs = [
      output('one', one, { weight: 3 }),
      output('two', two),
      output('three', three, { read: false }),
    ]
    const relay = await bench.relay(httpRelay(outputs))
    for (const _ of numbers(8)) await request(relay.url() + queryOf('d', 'SHOW DATABASES'))
    expect([one, two, three].map(({ received }) => received.length)).toEqual([6, 2, 0])
  })
}

function streams(servers: Servers): void {
  let db = ''
  /** A query whose answer has this many times 20 MB. */
  const path = (times: number) =>
    queryOf(
      db,
      Array(3 * times)
        .fill('SELECT * FROM big')
        .join(';'),
      '&chunked=true',
    )

  beforeAll(async () => {
    db = await servers.database()
    for (let at = 0; at < MANY; at += 10_000) {
      const lines = numbers(10_000).map(
        (i) => `big,host=h${i % 10} text="${'x'.repeat(80)}",v=${at + i} ${T + BigInt(at + i)}`,
      )
      const body = lines.join('\n')
      await Promise.all([servers.a, servers.b].map(({ url }) => store(url, `db=${db}`, body)))
    }
  })

  test('that gets 20 MB is cut, not completed, when its server is killed in between', async () => {
    const relay = await servers.relay()
    const answer = await StreamedAnswer.open(relay.url() + path(1))
    await answer.read(1_000_000)
    await Promise.all([servers.kill(servers.a), servers.kill(servers.b)])
    const { isComplete, bytes } = await answer.end()
    expect(isComplete).toBe(false)
    expect(bytes).toBeLessThan(20_000_000)
    await relay.waitForLine('answer to a query was cut short')
    await Promise.all([servers.a.start(), servers.b.start()])
  })

  test('whose server is silent between two chunks for longer than idle-timeout is answered', async () => {
    const server = await startFaulty(async (response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      for (const i of numbers(2)) {
        response.write(`{"results":[{"statement_id":${i}}]}\n`)
        await new Promise((resolve) => setTimeout(resolve, 2500))
      }
      response.end()
    })
    const relay = await servers.bench.relay(
      httpRelay([output('a', server)], { 'idle-timeout': '1s' }),
    )
    const path = queryOf(db, 'SHOW DATABASES', '&chunked=true')
    const { body } = await fetchBytes(relay.url() + path)
    expect(body.toString().split('\n')).toHaveLength(3)
  })

  test('whose client takes nothing for longer than idle-timeout is cut', async () => {
    const relay = await servers.bench.relay(httpRelay(servers.outputs(), { 'idle-timeout': '1s' }))
    const answer = await StreamedAnswer.open(relay.url() + path(6))
    const reason = 'the client takes nothing'
    await relay.waitForLine('answer to a query was cut short', { reason })
    expect((await answer.end()).isComplete).toBe(false)
  })

  test('ends on the server when its client leaves', async () => {
    const relay = await servers.relay()
    const answer = await StreamedAnswer.open(relay.url() + path(20))
    await answer.read(500_000)
    answer.leave()
    await vi.waitFor(async () => {
      for (const server of [servers.a, servers.b]) {
        const { results } = await server.query('SHOW QUERIES')
        const running = results[0].series[0].values.map(([, text]: [number, string]) => text)
        expect(running).toEqual(['SHOW QUERIES'])
      }
    }, patience)
  })

  test('ends on the server when its client leaves before an answer', async () => {
    let closed = 0
    const server = await startFaulty((response) => {
      response.on('close', () => closed++)
    })
    const relay = await servers.bench.relay(httpRelay([output('a', server)]))
    const client = get(relay.url() + queryOf(db, 'SHOW DATABASES'), { agent: false })
    client.on('error', () => {})
    await vi.waitFor(() => expect(server.received).toHaveLength(1), patience)
    client.destroy()
    await vi.waitFor(() => expect(closed).toBe(1), patience)
  })

  test('streams 100 MB to a slow client in little memory', async () => {
    const relay = await servers.relay()
    const warmUp = await StreamedAnswer.open(relay.url() + path(1))
    await warmUp.end()
    const before = await residentBytes(relay)
    let most = 0
    const answer = await StreamedAnswer.open(relay.url() + path(6))
    for (let i = 0; i < 10; i++) {
      await answer.read(2_000_000)
      await new Promise((resolve) => setTimeout(resolve, 50))
      most = Math.max(most, await residentBytes(relay))
    }
    const { isComplete, bytes } = await answer.end()
    most = Math.max(most, await residentBytes(relay))
    expect(isComplete).toBe(true)
    expect(bytes).toBeGreaterThan(100_000_000)
    expect(most - before).toBeLessThan(MAX_GROWTH_BYTES)
  })
}

const MAX_GROWTH_BYTES = 100 * 1024 * 1024

async function residentBytes({ pid }: RelayProcess): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1024
}

function refusals(bench: Bench, servers: Servers): void {
  test('is 404 with query = false', async () => {
    const relay = await bench.relay(httpRelay([down('a')], { query: false }))
    const { status, body } = await request(relay.url() + queryOf('d', 'SHOW DATABASES'))
    expect([status, JSON.parse(body).error]).toEqual([
      404,
      expect.stringContaining('and no queries'),
    ])
    expect(await isReady(relay, 'a')).toBe(404)
  })

  test('may be as long as 64 KB in a URL; beyond the limit the answer is 431', async () => {
    const relay = await servers.relay()
    const long = `SHOW DATABASES -- ${'x'.repeat(64 * 1024)}`
    const url = `${relay.url()}/query?q=`
    expect((await fetchBytes(url + encodeURIComponent(long))).status).toBe(200)
    const { status, body } = await fetchBytes(url + encodeURIComponent(long.repeat(4)))
    expect(status).toBe(431)
    if (bench.runtime !== 'bun') expect(JSON.parse(body.toString()).error).toContain('POST')
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const form = { method: 'POST', headers, body: `q=${encodeURIComponent(long.repeat(4))}` }
    expect((await fetchBytes(`${relay.url()}/query`, form)).status).toBe(200)
  })

  test('by HEAD is 405, and OPTIONS names the methods', async () => {
    const relay = await bench.relay(httpRelay([down('a')]))
    const head = await request(`${relay.url()}/query?q=SHOW+DATABASES`, { method: 'HEAD' })
    expect([head.status, head.headers.allow]).toEqual([405, 'GET, OPTIONS, POST'])
    const options = await request(`${relay.url()}/query`, { method: 'OPTIONS' })
    expect([options.status, options.headers.allow]).toEqual([204, 'GET, OPTIONS, POST'])
  })

  test('takes the credentials of the client or of the output to the server', async () => {
    const auth = { username: 'admin', password: 'hunter2 & söns' }
    const guarded = await startInfluxd({ auth })
    onTestFinished(() => guarded.stop())
    const path = '/query?q=SHOW+DATABASES'
    const relay = await bench.relay(httpRelay([output('a', guarded)]))
    const named = `&u=${auth.username}&p=${encodeURIComponent(auth.password)}`
    const basic = Buffer.from(`${auth.username}:${auth.password}`).toString('base64')
    expect((await request(relay.url() + path)).status).toBe(401)
    expect((await request(`${relay.url()}${path}&u=admin&p=wrong`)).status).toBe(401)
    expect((await request(relay.url() + path + named)).status).toBe(200)
    const headers = { authorization: `Basic ${basic}` }
    expect((await request(relay.url() + path, { headers })).status).toBe(200)
    const own = await bench.relay(httpRelay([output('a', guarded, auth)]))
    expect((await request(own.url() + path)).status).toBe(200)
    expect(relay.text + own.text).not.toContain('hunter2')
  })

  test('is still answered after SIGTERM, while /ready tells load balancers', async () => {
    const relay = await bench.relay(httpRelay([down('a')], {}, { 'shutdown-delay': '3s' }))
    const ready = async () => (await request(`${relay.url()}/ready`)).status
    expect(await ready()).toBe(200)
    relay.signal('SIGTERM')
    await vi.waitFor(async () => expect(await ready()).toBe(503), patience)
    expect((await write(relay.url(), 'db=d', point(1))).status).toBe(503)
    expect(await relay.exitCode()).toBe(0)
  })
}

function programs(servers: Servers): void {
  test("comes from influxd's command line client", async () => {
    const db = await servers.database()
    const relay = await servers.relay()
    await store(relay.url(), `db=${db}`, [1, 2, 3].map(point).join('\n'))
    const { host, port } = relay.address()
    const place = ['-host', host, '-port', String(port), '-precision', 'ns', '-database', db]
    const { influx } = await findInfluxd()
    const text = await run(influx, [...place, '-format', 'csv', '-execute', 'SELECT v FROM m'])
    expect(text).toBe(`name,time,v\nm,${T + 1n},1\nm,${T + 2n},2\nm,${T + 3n},3\n`)
  })

  test("comes from npm's influx", async () => {
    const db = await servers.database()
    const relay = await servers.relay()
    const client = new InfluxDB({ ...relay.address(), database: db })
    await client.writePoints([{ measurement: 'm', fields: { v: 4 }, timestamp: new Date(1000) }])
    const rows = await client.query<{ v: number }>('SELECT v FROM m')
    expect(rows.map(({ v }) => v)).toEqual([4])
    expect(await client.getDatabaseNames()).toContain(db)
    expect(await client.getMeasurements(db)).toEqual(['m'])
  })
}
