import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { type Bench, down, httpRelay, output, udpRelay } from './bench.ts'
import { store, write } from './client.ts'
import { sendDatagrams } from './datagrams.ts'
import { dataDir } from './durability.ts'
import { answering, hanging, holding, startFaulty, storing } from './faulty-backend.ts'
import { point, stored } from './points.ts'
import { RawConnection } from './raw-connection.ts'
import { patience, type RelayProcess } from './relay-process.ts'

/** Longer than any test runs, and short enough to wait for. */
const longTimeout = { 'shutdown-timeout': '1h' }
const shortTimeout = { 'shutdown-timeout': '500ms' }

/** How a relay ends. */
export function stopping(bench: Bench): void {
  describe.each(['SIGTERM', 'SIGINT'] as const)('at %s, a relay', (signal) => {
    const begin = async (relay: RelayProcess) => {
      relay.signal(signal)
      await relay.waitForLine('stopping', { signal })
    }
    inFlight(bench, begin)
    connections(bench, begin)
    undelivered(bench, begin)
    addresses(bench, begin)
  })
  limits(bench)
}

/** Sends the signal, and waits until the relay logs it. */
type Begin = (relay: RelayProcess) => Promise<void>

function inFlight(bench: Bench, begin: Begin): void {
  test('lets a write in flight finish, takes no more, and ends with 0', async () => {
    const { behaviour, release } = holding()
    const backend = await startFaulty(behaviour)
    const relay = await bench.relay(httpRelay([output('a', backend)], {}, longTimeout))
    const url = relay.url()
    const writing = store(url, 'db=d', point(1))
    await vi.waitFor(() => expect(backend.received).toHaveLength(1), patience)
    await begin(relay)
    await expect(store(url, 'db=d', point(2))).rejects.toThrow('ECONNREFUSED')
    release()
    await writing
    expect(await relay.exitCode()).toBe(0)
    expect(relay.lines().at(-1)).toMatchObject({ msg: 'stopped', level: 'info' })
    expect(backend.lines).toEqual([point(1)])
  })
}

function connections(bench: Bench, begin: Begin): void {
  test('lets a client finish what it is sending', async () => {
    const backend = await startFaulty(storing)
    const relay = await bench.relay(httpRelay([output('a', backend)], {}, longTimeout))
    const connection = await RawConnection.open(relay.url())
    const length = `Content-Length: ${point(1).length}`
    connection.head('/write?db=d', 'Expect: 100-continue', length)
    expect((await connection.answer())?.status).toBe(100)
    await begin(relay)
    connection.send(point(1))
    expect((await connection.answer())?.status).toBe(204)
    await connection.closed()
    expect(await relay.exitCode()).toBe(0)
    expect(backend.lines).toEqual([point(1)])
  })

  test('does not wait for idle connections', async () => {
    const relay = await bench.relay(httpRelay([down('a')], { 'idle-timeout': '1h' }, longTimeout))
    const served = await RawConnection.open(relay.url())
    served.ping()
    expect((await served.answer())?.status).toBe(204)
    const silent = await RawConnection.open(relay.url())
    await begin(relay)
    expect(await relay.exitCode()).toBe(0)
    await served.closed()
    silent.hangUp() // Bun leaves it to the kernel, which tells this client nothing
  })
}

function undelivered(bench: Bench, begin: Begin): void {
  test('delivers what it has kept for a server', async () => {
    const db = await bench.database()
    const outputs = bench.outputs({ 'buffer-size-mb': 16 })
    const relay = await bench.relay(httpRelay(outputs, {}, longTimeout))
    bench.b.pause()
    onTestFinished(() => bench.b.resume())
    await store(relay.url(), `db=${db}`, point(1))
    await begin(relay)
    bench.b.resume()
    expect(await relay.exitCode()).toBe(0)
    expect(await bench.b.rows(db)).toEqual(stored(point(1)))
  })

  test('delivers the datagrams that it has taken', async () => {
    const { behaviour, release } = holding()
    const backend = await startFaulty(behaviour)
    const relay = await bench.relay(udpRelay([output('a', backend)], { database: 'd' }))
    await sendDatagrams(relay.address(), [point(1)])
    await vi.waitFor(() => expect(backend.received).toHaveLength(1), patience)
    await begin(relay)
    release()
    expect(await relay.exitCode()).toBe(0)
    expect(relay.lines().filter(({ level }) => level !== 'info')).toEqual([])
  })
}

/** What a relay frees, and still takes, while it waits for a server. */
function addresses(bench: Bench, begin: Begin): void {
  /** A relay that has a write in memory for a server that is down. */
  const waiting = async () => {
    const outputs = [output('a', bench.a), down('b', { 'buffer-size-mb': 16 })]
    const keys = { database: 'by_udp' }
    const relay = await bench.relay({
      ...httpRelay(outputs, {}, longTimeout),
      udp: udpRelay(outputs, { ...keys, name: 'datagrams' }).udp,
    })
    await store(relay.url(), 'db=by_udp', point(1))
    return relay
  }

  test('frees its addresses at once, though it waits for a server', async () => {
    const relay = await waiting()
    const [http, udp] = [relay.address(), relay.address('datagrams')]
    await begin(relay)
    await vi.waitFor(async () => {
      const server = createServer().listen(http.port, http.host)
      await once(server, 'listening')
      server.close()
      const socket = createSocket('udp4')
      onTestFinished(() => void socket.close())
      socket.bind(udp.port, udp.host)
      await once(socket, 'listening')
    }, patience)
    expect(relay.isRunning).toBe(true)
  })

  test('delivers the datagrams that the system has received for it', async () => {
    const backend = await startFaulty(storing)
    const relay = await bench.relay(udpRelay([output('a', backend)], { database: 'd' }))
    relay.signal('SIGSTOP')
    const points = Array.from({ length: 100 }, (_, i) => point(i))
    await sendDatagrams(relay.address(), points)
    relay.signal('SIGTERM')
    relay.signal('SIGCONT')
    expect(await relay.exitCode()).toBe(0)
    expect(backend.lines).toEqual(points)
  })

  test('does not wait for a server if everything is on disk', async () => {
    const db = await bench.database()
    const silent = await startFaulty(hanging)
    const outputs = [output('a', bench.a), output('b', silent), down('c')].map((one) => ({
      ...one,
      'buffer-size-mb': 16,
    }))
    const relay = await bench.relay({
      ...httpRelay(outputs, {}, { ...longTimeout, 'data-dir': await dataDir() }),
      udp: udpRelay(outputs, { database: db, name: 'datagrams' }).udp,
    })
    await store(relay.url(), `db=${db}`, point(1))
    await sendDatagrams(relay.address('datagrams'), [point(2)])
    await begin(relay)
    expect(await relay.exitCode()).toBe(0)
    expect(relay.lines('undelivered points are kept on disk')).toMatchObject([
      ...['b', 'c', 'b', 'c'].map((backend) => ({ backend })),
    ])
  })
}

function limits(bench: Bench): void {
  test('shutdown-timeout limits the wait for a server, and the log tells what is lost', async () => {
    const db = await bench.database()
    const backend = await startFaulty(answering(503, 'too busy'))
    const outputs = [output('a', bench.a), output('b', backend, { 'buffer-size-mb': 16 })]
    const relay = await bench.relay(httpRelay(outputs, {}, shortTimeout))
    await store(relay.url(), `db=${db}`, point(1))
    expect(await relay.stop()).toBe(0)
    const [line] = relay.lines('undelivered points are lost')
    expect(line).toMatchObject({ backend: 'b', level: 'error' })
    expect(Number(line?.bytes)).toBeGreaterThanOrEqual(point(1).length)
  })

  /** A relay with a write that no server answers, for which its client waits in vain. */
  const hangingWrite = async (keys: Record<string, string>) => {
    const backend = await startFaulty(hanging)
    const relay = await bench.relay(httpRelay([output('a', backend, { timeout: '1h' })], {}, keys))
    const writing = write(relay.url(), 'db=d', point(1))
    const cutOff = expect(writing).rejects.toThrow(/hang up|ECONNRESET/)
    await vi.waitFor(() => expect(backend.received).toHaveLength(1), patience)
    return { relay, cutOff }
  }

  test('shutdown-timeout limits the wait for a client', async () => {
    const { relay, cutOff } = await hangingWrite(shortTimeout)
    const slow = await RawConnection.open(relay.url())
    slow.head('/write?db=d', 'Content-Length: 100')
    slow.send('m v=')
    expect(await relay.stop()).toBe(0)
    await cutOff
    await slow.closed()
  })

  test('a second signal ends a relay that still waits', async () => {
    const { relay, cutOff } = await hangingWrite(longTimeout)
    relay.signal('SIGTERM')
    await relay.waitForLine('stopping')
    expect(await relay.stop('SIGINT')).toBe(1)
    await cutOff
  })
}
