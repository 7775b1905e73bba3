import { describe, expect, test } from 'vitest'
import { choosePorts } from '../real/ports.ts'
import { type Bench, httpRelay, output, UDP_DATABASE } from './bench.ts'
import { request, store } from './client.ts'
import { hasIPv6, sendDatagrams } from './datagrams.ts'
import { point, stored } from './points.ts'
import type { RelayProcess } from './relay-process.ts'
import { runRelay, temporaryFile } from './run-relay.ts'

/** Configuration files as people have them, also from other relays, and places to listen at. */
export function layouts(bench: Bench): void {
  samples(bench)
  running(bench)
  describe('an address to listen at', () => addresses(bench))
}

/** The keys and the layout of the Go relay's own samples, and what the relay makes of them. */
const plain = `
[[http]]
name = "example-http"
bind-addr = "127.0.0.1:9096"
output = [
    { name="local1", location = "http://127.0.0.1:8086/write" },
    { name="local2", location = "http://127.0.0.1:7086/write" },
]

[[udp]]
name = "example-udp"
bind-addr = "127.0.0.1:9096"
read-buffer = 0 # default
output = [
    { name="local1", location="127.0.0.1:8089", mtu=512 },
    { name="local2", location="127.0.0.1:7089", mtu=1024 },
]
`
const plainSummary = `http "example-http" on 127.0.0.1:9096
  to "local1": http://127.0.0.1:8086/write, timeout 10s, no buffer
  to "local2": http://127.0.0.1:7086/write, timeout 10s, no buffer
udp "example-udp" on 127.0.0.1:9096
  to "local1": udp 127.0.0.1:8089, mtu 512
  to "local2": udp 127.0.0.1:7089, mtu 1024
`

const retrying = `
[[http]]
name = "example-http"
bind-addr = "127.0.0.1:9096"
output = [
    { name="local1", location = "http://127.0.0.1:8086/write", buffer-size-mb = 100, max-batch-kb = 50, max-delay-interval = "5s" },
    { name="local2", location = "http://127.0.0.1:7086/write", timeout="1m30s", skip-tls-verification = true },
]
`
const retryingSummary = `http "example-http" on 127.0.0.1:9096
  to "local1": http://127.0.0.1:8086/write, timeout 10s, buffer 100 MB
  to "local2": http://127.0.0.1:7086/write, timeout 90s, no buffer
`

/** The layout of the Go relay's fork. */
const fork = `
[[http]]
name = "example-http-influxdb"
bind-addr = "127.0.0.1:9096"
default-ping-response = 200
health-timeout-ms = 10000
rate-limit = 5
burst-limit = 10

[[http.output]]
name = "local-influxdb01"
location = "http://127.0.0.1:8086/"
endpoints = {write="/write", write_prom="/api/v1/prom/write", ping="/ping", query="/query"}
timeout = "10s"

[[http.output]]
name = "local-influxdb02"
location = "http://127.0.0.1:7086/base/"
endpoints = {write="/write", write_prom="/api/v1/prom/write", ping="/ping", query="/query"}
timeout = "10s"
`
const forkSummary = `http "example-http-influxdb" on 127.0.0.1:9096
  to "local-influxdb01": http://127.0.0.1:8086/write, timeout 10s, no buffer
  to "local-influxdb02": http://127.0.0.1:7086/base/write, timeout 10s, no buffer
`

function samples({ command }: Bench): void {
  test.each([
    ['sample', plain, plainSummary],
    ['sample with buffers', retrying, retryingSummary],
    ["fork's sample", fork, forkSummary],
  ])("the Go relay's %s is read as it is", async (_, toml, stdout) => {
    const file = await temporaryFile('relay.toml', toml)
    const ending = await runRelay(command, '-check', '-config', file)
    expect(ending).toEqual({ code: 0, stdout, stderr: '' })
  })

  test('sample.toml says what would run', async () => {
    const { code, stdout } = await runRelay(command, '-check', '-config', 'sample.toml')
    expect(code).toBe(0)
    expect(stdout).toMatch(/^http ".*" on .*\n( {2}to .*\n){2}/)
  })
}

function running(bench: Bench): void {
  test("the fork's layout reaches its servers", async () => {
    const relay = await bench.relay(
      fork
        .replace('127.0.0.1:9096', '127.0.0.1:0')
        .replace('http://127.0.0.1:8086/', `${bench.a.url}/`)
        .replace('http://127.0.0.1:7086/base/', bench.b.url),
    )
    const db = await bench.database()
    expect((await request(`${relay.url()}/ping`)).status).toBe(200)
    await store(relay.url(), `db=${db}`, point(1))
    await bench.expectRows(db, stored(point(1)))
  })

  test('several blocks run side by side, each with outputs of its own', async () => {
    const db = await bench.database()
    const block = { 'bind-addr': '127.0.0.1:0', output: [output('a', bench.a)] }
    const toB = { ...block, output: [output('b', bench.b)] }
    const byUdp = { ...block, output: [{ name: 'b', location: `127.0.0.1:${bench.b.udpPort}` }] }
    const relay = await bench.relay({
      http: [
        { ...block, name: 'to a' },
        { ...toB, name: 'to b' },
      ],
      udp: [
        { ...block, name: 'by http', database: db },
        { ...byUdp, name: 'by udp' },
      ],
    })
    await store(relay.url('to a'), `db=${db}`, point(1))
    await store(relay.url('to b'), `db=${db}`, point(2))
    await sendDatagrams(relay.address('by http'), [point(3)])
    await sendDatagrams(relay.address('by udp'), ['blocks v=4 4'])
    await bench.expectRowsAt(bench.a, db, stored(point(1), point(3)))
    await bench.expectRowsAt(bench.b, db, stored(point(2)))
    await bench.expectRowsAt(bench.b, UDP_DATABASE, stored('blocks v=4 4'), 'blocks')
    await bench.expectRowsAt(bench.a, UDP_DATABASE, [], 'blocks')
  })
}

function addresses(bench: Bench): void {
  test('may be one of IPv4', async () => {
    await expectServed(bench, '127.0.0.1', await listening(bench, '127.0.0.1:0'), 'at_ipv4')
  })

  test.runIf(hasIPv6)('may be one of IPv6', async () => {
    const relay = await listening(bench, '[::1]:0')
    await expectServed(bench, '[::1]', relay, 'at_ipv6')
    expect(relay.lines('listening')[0]?.address).toMatch(/^\[::1\]:\d+$/)
  })

  test('may be the name of a host', async () => {
    const relay = await listening(bench, `localhost:${await freePort()}`)
    await expectServed(bench, 'localhost', relay, 'at_name')
  })

  test('may be a port alone, for all of them', async () => {
    const relay = await listening(bench, `:${await freePort()}`)
    await expectServed(bench, '127.0.0.1', relay, 'at_all_ipv4')
    if (hasIPv6) await expectServed(bench, '[::1]', relay, 'at_all_ipv6')
  })
}

/** A relay that listens by both protocols. */
function listening(bench: Bench, bind: string): Promise<RelayProcess> {
  const output = [{ location: `127.0.0.1:${bench.a.udpPort}` }]
  const udp = [{ name: 'datagrams', 'bind-addr': bind, output }]
  return bench.relay({ ...httpRelay(bench.outputs(), { 'bind-addr': bind }), udp })
}

async function expectServed(
  bench: Bench,
  host: string,
  relay: RelayProcess,
  measurement: string,
): Promise<void> {
  expect((await request(`http://${host}:${relay.address('in').port}/ping`)).status).toBe(204)
  const { port } = relay.address('datagrams')
  await sendDatagrams({ host: host.replace(/[[\]]/g, ''), port }, [`${measurement} v=1 1`])
  await bench.expectRowsAt(bench.a, UDP_DATABASE, stored(`${measurement} v=1 1`), measurement)
}

/** A port that nobody has, for TCP at least. */
async function freePort(): Promise<number> {
  return (await choosePorts()).http
}
