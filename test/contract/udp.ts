import { randomBytes } from 'node:crypto'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { Influxd } from '../real/influxd.ts'
import { type Bench, output, setUpRelay, UDP_DATABASE, udpRelay } from './bench.ts'
import { hasIPv6, Receiver, sendDatagrams } from './datagrams.ts'
import { slow, startFaulty } from './faulty-backend.ts'
import { numbers, point, stored, T } from './points.ts'
import { patience, type RelayProcess } from './relay-process.ts'

/** Datagrams in; datagrams and writes out. */
export function udp(bench: Bench): void {
  describe('a datagram for two servers that listen to UDP', () => {
    const relay = setUpRelay(bench, () => udpRelay(udpOutputs(bench)))
    byUdp(bench, relay)
    garbage(bench, relay)
  })
  describe('datagrams', () => several(bench))
  describe('a datagram for servers that are written to by HTTP', () => {
    byHttp(bench)
    sizes(bench)
    withBuffer(bench)
  })
  describe('a datagram larger than the mtu', () => mtu(bench))
}

const udpOutputs = (bench: Bench) => [udpOutput('a', bench.a), udpOutput('b', bench.b)]
const udpOutput = (name: string, { udpPort }: Influxd) => ({
  name,
  location: `127.0.0.1:${udpPort}`,
})

function byUdp(bench: Bench, relay: () => RelayProcess): void {
  test('is stored by both', async () => {
    expect(relay().lines('listening')).toMatchObject([{ protocol: 'udp', backends: 'a,b' }])
    const two = `one,k=x v=2 ${T}\none,k=y w="3\n4" ${T + 1n}\n`
    await sendDatagrams(relay().address(), [`one v=1 ${T}`, two])
    const rows = stored(`one v=1 ${T}`, `one,k=x v=2 ${T}`, `one,k=y w="3\\n4" ${T + 1n}`)
    await bench.expectRows(UDP_DATABASE, rows, 'one')
  })

  test('without timestamps is stored with the same ones', async () => {
    const before = Date.now()
    await sendDatagrams(relay().address(), ['two,k=1 v=1\ntwo,k=2 v=2\n', 'two,k=3 v=3'])
    const rows = await bench.expectSameRows(UDP_DATABASE, 3, 'two')
    const times = rows.map((row) => BigInt(row.slice(row.lastIndexOf(' ') + 1)))
    expect(times[0]).toBe(times[1])
    expect(times[2]).toBeGreaterThan(times[0] as bigint)
    expect(Number(times[0]) / 1e6).toBeGreaterThan(before - 1000)
  })
}

function garbage(bench: Bench, relay: () => RelayProcess): void {
  test('of garbage, or of nothing, does not keep others from being stored', async () => {
    const random = numbers(50).map((i) => randomBytes(i * 100))
    const empty = ['', '\0\0\0', '\n', '# comment', 'm', 'm v="', 'm\\']
    await sendDatagrams(relay().address(), [...empty, ...random])
    const line = `three v=1 ${T}`
    await vi.waitFor(async () => {
      await sendDatagrams(relay().address(), [line]) // influxd may drop it together with garbage
      for (const server of [bench.a, bench.b]) {
        expect(await server.rows(UDP_DATABASE, 'three')).toEqual(stored(line))
      }
    }, patience)
  })
}

function several(bench: Bench): void {
  test('are passed on in the order in which they came', async () => {
    const receiver = await Receiver.open()
    const relay = await bench.relay(udpRelay([{ name: 'one', location: receiver.location }]))
    await sendDatagrams(relay.address(), numbers(50).map(point))
    const lines = () => receiver.datagrams.flatMap((datagram) => datagram.trimEnd().split('\n'))
    await vi.waitFor(() => expect(lines()).toHaveLength(50), patience)
    expect(lines()).toEqual(numbers(50).map(point))
  })

  test('do not suffer from a bad one among them', async () => {
    const relay = await bench.relay(udpRelay(udpOutputs(bench)))
    const lines = numbers(100).map((i) => `five v=${i} ${T + BigInt(i)}`)
    const bad = (i: number) => ['five v=', `five v="open ${T}`, `five,a=1,a=2 v=${i} ${T}`][i % 3]
    await sendDatagrams(
      relay.address(),
      lines.flatMap((line, i) => (i % 5 === 0 ? [line, bad(i) as string] : [line])),
    )
    await bench.expectRows(UDP_DATABASE, stored(...lines), 'five')
  })

  test('reach one server, whatever is wrong with another', async () => {
    const outputs = [
      { name: 'nothing', location: '127.0.0.1:1' },
      { name: 'nobody', location: 'no-such-host.invalid:8089' },
      ...udpOutputs(bench),
    ]
    const relay = await bench.relay(udpRelay(outputs))
    const lines = numbers(5).map((i) => `four v=${i} ${T + BigInt(i)}`)
    await sendDatagrams(relay.address(), lines)
    await bench.expectRows(UDP_DATABASE, stored(...lines), 'four')
    await relay.waitForLine('datagram could not be sent', { backend: 'nobody' })
  })
}

function byHttp(bench: Bench): void {
  test('is stored by both, in the policy and precision of its listener', async () => {
    const database = await bench.database('r p')
    const keys = { database, 'retention-policy': 'r p', precision: 's' }
    const relay = await bench.relay(udpRelay(bench.outputs(), keys))
    await sendDatagrams(relay.address(), ['m,k=a v=1 1500000000\nm,k=b v=2', 'm,k=c v=3'])
    const rows = await bench.expectSameRows(database, 3)
    expect(rows[0]).toBe('r\\ p m,k=a v=1 1500000000000000000')
    for (const row of rows.slice(1)) expect(row).toMatch(/^r\\ p m,k=[bc] v=. \d{10}0{9}$/)
  })

  test('shares a request with others while the server is busy', async () => {
    const backend = await startFaulty(slow(50))
    const relay = await bench.relay(udpRelay([output('slow', backend)], { database: 'd' }))
    await sendDatagrams(relay.address(), numbers(200).map(point))
    await vi.waitFor(() => expect(backend.lines).toHaveLength(200), patience)
    expect(backend.lines).toEqual(numbers(200).map(point))
    expect(backend.received.length).toBeLessThan(100)
  })

  test('that is broken is refused alone', async () => {
    const database = await bench.database()
    const relay = await bench.relay(udpRelay(bench.outputs(), { database }))
    const broken = ['m v="', 'm\x01\x02', 'm\\']
    await sendDatagrams(relay.address(), [point(1), ...broken, point(2)])
    await bench.expectRows(database, stored(point(1), point(2)))
    await relay.waitForLine('backend rejected acknowledged points', { backend: 'a' })
  })
}

function sizes(bench: Bench): void {
  test('may be as large as datagrams can be', async () => {
    const database = await bench.database()
    const relay = await bench.relay(udpRelay(bench.outputs(), { database }))
    const line = `m v="${'x'.repeat(65_507 - `m v="" ${T}`.length)}" ${T}`
    await sendDatagrams(relay.address(), [line])
    await bench.expectRows(database, stored(line))
  })

  test.runIf(hasIPv6)('may come by IPv6', async () => {
    const database = await bench.database()
    const relay = await bench.relay(udpRelay(bench.outputs(), { database, 'bind-addr': '[::1]:0' }))
    expect(relay.address().host).toBe('::1')
    await sendDatagrams(relay.address(), [point(1)])
    await bench.expectRows(database, stored(point(1)))
  })
}

function withBuffer(bench: Bench): void {
  test('waits in the buffer of a server that is down', async () => {
    const database = await bench.database()
    const keys = { 'buffer-size-mb': 16, 'max-delay-interval': '1s' }
    const relay = await bench.relay(udpRelay(bench.outputs(keys), { database }))
    onTestFinished(() => bench.b.start())
    await bench.b.kill()
    await sendDatagrams(relay.address(), numbers(20).map(point))
    await relay.waitForLine('backend failed', { backend: 'b' })
    await bench.b.start()
    await bench.expectRows(database, stored(...numbers(20).map(point)))
  })
}

function mtu(bench: Bench): void {
  /** Relays one datagram with an mtu of 100 and returns the parts that came out. */
  const relayed = async (datagram: string, parts: number) => {
    const receiver = await Receiver.open()
    const outputs = [{ name: 'small', location: receiver.location, mtu: 100 }]
    const relay = await bench.relay(udpRelay(outputs))
    await sendDatagrams(relay.address(), [datagram])
    await vi.waitFor(() => expect(receiver.datagrams).toHaveLength(parts), patience)
    return { relay, parts: receiver.datagrams }
  }

  test('is cut where lines end', async () => {
    const lines = numbers(10).map((i) => `m,k=${'x'.repeat(10)} v=${i} ${T}\n`)
    const { parts } = await relayed(lines.join(''), 5)
    expect(parts.join('')).toBe(lines.join(''))
    for (const part of parts) expect(part).toMatch(/^(m,k=x{10} v=\d \d{19}\n){2}$/)
  })

  test('is never cut inside a string', async () => {
    const lines = [
      `m v="${'a\n'.repeat(30)}" ${T}\n`,
      `m v="${'\\"b=\n'.repeat(12)}" ${T}\n`,
      `m v=1 ${T}\n`,
      `m v="${'c, \n'.repeat(14)}",w="\n" ${T}\n`,
    ]
    expect((await relayed(lines.join(''), 4)).parts).toEqual(lines)
  })

  test('loses a line that is too long by itself, and the log tells', async () => {
    const long = `m v="${'x'.repeat(100)}" ${T}\n`
    const { relay, parts } = await relayed(`${point(1)}\n${long}${point(2)}\n`, 2)
    expect(parts).toEqual([`${point(1)}\n`, `${point(2)}\n`])
    const line = await relay.waitForLine('line larger than the mtu was dropped')
    const figures = { mtu: '100', bytes: String(long.length) }
    expect(line).toMatchObject({ backend: 'small', level: 'warn', ...figures })
  })
}
