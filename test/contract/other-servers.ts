import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'smol-toml'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { cached, run } from '../real/cache.ts'
import { unpackPackages } from '../real/debian.ts'
import { Guard } from '../real/guard.ts'
import { choosePorts } from '../real/ports.ts'
import { remoteWrite } from '../support/remote-write.ts'
import { V2StandIn, v2Error } from '../support/v2-stand-in.ts'
import { type Bench, down, httpRelay, output } from './bench.ts'
import { request, store, write } from './client.ts'
import { dataDir, gapsOf } from './durability.ts'
import { numbers, point, T } from './points.ts'
import { post } from './prometheus.ts'
import { patience } from './relay-process.ts'
import { runRelay, temporaryFile } from './run-relay.ts'

/** Outputs that are no InfluxDB 1.x. */
export function otherServers(bench: Bench): void {
  describe('an output with api = "v2"', () => version2(bench))
  describe('VictoriaMetrics as an output', () => victoriaMetrics(bench))
}

const TOKEN = 'Zm9v+/=="\'\\%&?'
const ORG = 'the org/ä %&'

/** A bucket with characters that stand for something in a URL. */
const MAPPED = 'of 2/a%2F&b=ü?#'

/** A server with buckets, and its keys in an output. */
async function startV2(...buckets: string[]) {
  const server = new V2StandIn(TOKEN, ORG, ...buckets)
  await server.start()
  onTestFinished(() => server.stop())
  const keys = { name: 'two', location: server.url, api: 'v2', org: ORG, token: TOKEN }
  return { server, keys }
}

const buffered = { 'buffer-size-mb': 16, 'max-delay-interval': '200ms' }

function version2(bench: Bench): void {
  test('gets what an InfluxDB 1.x beside it gets, in buckets and precisions of its own', async () => {
    const db = await bench.database('a% b', 'c')
    const { server, keys } = await startV2(`${db}/autogen`, `${db}/a% b`, MAPPED)
    const outputs = [...bench.outputs(), { ...keys, gzip: true, buckets: { [`${db}/c`]: MAPPED } }]
    const relay = await bench.relay(httpRelay(outputs, { consistency: 'all' }))
    await store(relay.url(), `db=${db}`, 'm v=1 1')
    await store(relay.url(), `db=${db}&precision=u`, 'm v=2 2')
    await store(relay.url(), `db=${db}&precision=h&rp=c`, 'm v="\n" 3\n# c\nm v="d" 4')
    await store(relay.url(), `db=${db}&rp=${encodeURIComponent('a% b')}`, 'm v=5 5')
    expect(Object.fromEntries(server.lines)).toEqual({
      [`${db}/autogen`]: ['m v=1 1 (ns)', 'm v=2 2 (us)'],
      [`${db}/a% b`]: ['m v=5 5 (ns)'],
      [MAPPED]: ['m v="\n" 10800 (s)', 'm v="d" 14400 (s)'],
    })
  })

  test('gets in order what was written while it was down, or asked to be left alone', async () => {
    const db = await bench.database()
    const { server, keys } = await startV2(`${db}/autogen`)
    const outputs = [output('a', bench.a), { ...keys, ...buffered }]
    const relay = await bench.relay(httpRelay(outputs, {}, { 'data-dir': await dataDir() }))
    const overloaded = () => v2Error(503, 'overloaded')
    server.next.push(v2Error(429, 'org has exceeded quota', { 'retry-after': '1' }), overloaded())
    server.next.push(v2Error(500, 'internal error'), v2Error(404, 'bucket "x" not found'))
    server.next.push(v2Error(401, `unauthorized access with ${TOKEN}`))
    const lines = numbers(20).map(point)
    for (const line of lines) await store(relay.url(), `db=${db}`, line)
    const expected = lines.map((line) => `${line} (ns)`)
    await vi.waitFor(() => expect(server.lines.get(`${db}/autogen`)).toEqual(expected), patience)
    await relay.waitForLine('backend recovered', { backend: 'two' })
    const reasons = relay.lines('backend failed').map(({ reason }) => reason)
    expect(reasons[0]).toBe('429 org has exceeded quota')
    expect(relay.text).not.toContain(TOKEN)
  })

  test('rejects an acknowledged write with 422: a dead letter, and a gap of its points', async () => {
    const db = await bench.database()
    const { server, keys } = await startV2(`${db}/autogen`)
    const outputs = [{ ...keys, ...buffered }, output('a', bench.a)]
    const configuration = httpRelay(outputs, {}, { 'data-dir': await dataDir() })
    const relay = await bench.relay(configuration)
    const query = `org=${encodeURIComponent(ORG)}&bucket=${db}/autogen`
    const headers = { authorization: `Token ${TOKEN}` }
    const text = `n v="text, here alone" ${T}`
    await request(`${server.url}/api/v2/write?${query}`, { method: 'POST', body: text, headers })
    server.next.push(v2Error(503, 'busy'))
    await store(relay.url(), `db=${db}`, `n v=2 ${T}\nm w=1 ${T}`)
    const warning = await relay.waitForLine('backend rejected acknowledged points', { db })
    expect(warning).toMatchObject({ backend: 'two', points: '1' })
    await vi.waitFor(async () => {
      const gaps = await gapsOf(bench, configuration)
      expect(gaps).toMatchObject([{ backend: 'two', database: db, points: 1, reason: 'rejected' }])
    }, patience)
  })

  test("gives its client InfluxDB 1's form of its errors", async () => {
    const { keys } = await startV2('d/autogen')
    const relay = await bench.relay(httpRelay([keys]))
    const bad = await write(relay.url(), 'db=d', 'bad')
    const message = "unable to parse 'bad': missing fields"
    expect(bad).toMatchObject({ status: 400, headers: { 'x-influxdb-error': message } })
    expect(JSON.parse(bad.body)).toEqual({ error: message })
    const missing = await write(relay.url(), 'db=other', point(1))
    expect(missing.status).toBe(404)
    expect(JSON.parse(missing.body)).toEqual({ error: 'bucket "other/autogen" not found' })
  })

  test('answers no queries, and gets no statements and no remote writes', async () => {
    const { server, keys } = await startV2('d/autogen')
    const relay = await bench.relay(httpRelay([keys, output('a', bench.a)]))
    for (const _ of numbers(5)) {
      const path = '/query?q=SHOW+DATABASES'
      expect(await request(relay.url() + path)).toMatchObject({ status: 200 })
    }
    const create = `/query?q=CREATE+DATABASE+${await bench.database()}`
    const created = await request(relay.url() + create, { method: 'POST' })
    expect(created).toMatchObject({ status: 200, body: '{"results":[{"statement_id":0}]}\n' })
    const answer = await post(relay.url(), 'db=d', remoteWrite())
    expect(answer.status).toBe(501)
    expect(JSON.parse(answer.body).error).toContain('the output "two" takes no remote writes')
    expect(server.received).toEqual([])
  })

  test('shows its token nowhere, also if it cannot be reached', async () => {
    const { keys } = await startV2()
    const dir = await dataDir()
    const location = 'http://127.0.0.1:1'
    const configuration = httpRelay(
      [{ ...keys, ...buffered, location }, down('a')],
      {},
      { 'data-dir': dir },
    )
    const file = await temporaryFile('v2.toml', stringify(configuration))
    const check = await runRelay(bench.command, '-check', '-config', file)
    expect(check.stdout).toContain(`to "two": ${location}/api/v2/write, api v2, org "${ORG}"`)
    const relay = await bench.relay(configuration)
    const answer = await write(relay.url(), 'db=d&consistency=any', point(1))
    expect(answer.status).toBe(204)
    await relay.waitForLine('backend failed', { backend: 'two' })
    expect(await run('grep', ['-rlF', 'm v=1 ', dir])).not.toBe('')
    await expect(run('grep', ['-rlF', TOKEN, dir])).rejects.toThrow()
    expect([check.stdout, check.stderr, relay.text, answer.body].join()).not.toContain(TOKEN)
  })
}

function victoriaMetrics(bench: Bench): void {
  let server: { url: string; stop(): Promise<void> }
  beforeAll(async () => {
    server = await startVictoriaMetrics()
  })
  afterAll(() => server?.stop())

  test('gets points and remote writes beside an InfluxDB', async () => {
    const db = await bench.database()
    const endpoints = { write: '/write', write_prom: '/api/v1/write' }
    const vm = { name: 'vm', location: server.url, endpoints, read: false, ...buffered }
    const relay = await bench.relay(httpRelay([output('a', bench.a), vm]))
    const now = BigInt(Date.now()) * 1_000_000n
    await store(relay.url(), `db=${db}`, `cpu,host=a usage=0.5 ${now}`)
    const labels = { __name__: 'up', job: db }
    const body = remoteWrite({ labels, samples: [[7, Date.now()]] })
    expect(await post(relay.url(), `db=${db}`, body)).toMatchObject({ status: 204 })
    await vi.waitFor(async () => {
      expect(await exported(`cpu_usage{db="${db}"}`)).toMatchObject([{ values: [0.5] }])
      expect(await exported(`up{job="${db}"}`)).toMatchObject([{ values: [7] }])
    }, patience)
    expect(await bench.a.rows(db)).toHaveLength(2)
    const statement = `${relay.url()}/query?q=CREATE+DATABASE+${db}`
    expect(await request(statement, { method: 'POST' })).toMatchObject({ status: 200 })
    await store(relay.url(), `db=${db}`, `cpu,host=b usage=1.5 ${now}`)
    await vi.waitFor(async () => {
      expect(await exported(`cpu_usage{db="${db}",host="b"}`)).toMatchObject([{ values: [1.5] }])
    }, patience)
    expect(relay.lines('backend failed')).toEqual([])
  })

  const exported = async (match: string) => {
    await request(`${server.url}/internal/force_flush`)
    const path = `/api/v1/export?match[]=${encodeURIComponent(match)}`
    const { body } = await request(server.url + path)
    return body
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line))
  }
}

/** The real VictoriaMetrics, from Debian. */
async function startVictoriaMetrics() {
  const program = join('usr', 'bin', 'victoria-metrics')
  const dir = await cached('debian-victoria-metrics', [program], (draft) =>
    unpackPackages(draft, ['victoria-metrics'], { withMissing: true }),
  )
  const data = await mkdtemp(join(tmpdir(), 'victoria-metrics-'))
  const { http: port } = await choosePorts()
  const guard = new Guard(data)
  const args = [`-storageDataPath=${data}/vm`, `-httpListenAddr=127.0.0.1:${port}`]
  const child: ChildProcess = spawn(join(dir, program), args, { stdio: 'ignore' })
  guard.watch(child.pid)
  const url = `http://127.0.0.1:${port}`
  await vi.waitFor(async () => {
    expect((await request(`${url}/health`)).status).toBe(200)
  }, patience)
  const stop = async () => {
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    guard.watch(undefined)
    await guard.end()
  }
  return { url, stop }
}
