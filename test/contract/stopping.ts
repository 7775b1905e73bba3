import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { type Bench, down, httpRelay, output, udpRelay } from './bench.ts'
import { store, write } from './client.ts'
import { sendDatagrams } from './datagrams.ts'
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
