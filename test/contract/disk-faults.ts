import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { Fault, type Injection } from '../real/strace.ts'
import type { Bench } from './bench.ts'
import { store, write } from './client.ts'
import { onDisk } from './durability.ts'
import { numbers, point, stored } from './points.ts'
import { type Configuration, patience, type RelayProcess } from './relay-process.ts'

/** What a disk with errors may do to writes for a server that is down: refuse them, never lose them. */
export function diskFaults(bench: Bench): void {
  describe('a disk that', () => {
    test.each(faults)('%s costs clients a 503 and nothing that was acknowledged', (_, ...fault) =>
      lasting(bench, ...fault),
    )
    test('fails while a server comes back delays it, no more', () => returning(bench))
    test('fails now and then loses nothing that was acknowledged, by kill -9 neither', () =>
      flickering(bench))
  })
}

const everyCall = ['mkdir', 'pread64', 'pwrite64', 'ftruncate', 'fdatasync', 'fsync']

/** With the answer to a write for which the disk has an open file already. */
const faults: [what: string, fault: Injection, status: number][] = [
  ['cannot sync', { calls: ['fdatasync', 'fsync'], error: 'EIO' }, 503],
  ['has no room for bytes', { calls: ['pwrite64'], error: 'ENOSPC' }, 503],
  ['has no room for files', { calls: ['mkdir'], error: 'ENOSPC' }, 204],
  ['does nothing', { calls: everyCall, error: 'EIO' }, 503],
]

async function lasting(bench: Bench, injection: Injection, status: number): Promise<void> {
  const [db, late] = [await bench.database(), await bench.database()]
  const relay = await relayWithout(bench)
  for (const i of numbers(5)) await store(relay.url(), `db=${db}`, point(i))

  const fault = await inject(relay, injection)
  for (const i of numbers(5)) {
    await expectStatus(relay, db, 5 + i, status)
    await expectStatus(relay, late, i, 503)
  }
  await relay.waitForLine('disk failed', { backend: 'b' })
  expect(relay.lines('disk failed').length, 'one line a fault would flood the log').toBeLessThan(5)
  expect(await fault.end(), 'calls that failed').toBeGreaterThan(0)

  await store(relay.url(), `db=${db}`, point(10))
  await store(relay.url(), `db=${late}`, point(10))
  await bench.b.start()
  const known = numbers(11).filter((i) => status === 204 || i < 5 || i === 10)
  await expectAtB(bench, db, known)
  await expectAtB(bench, late, [10])
  // The healthy server got all there was, whatever the clients were told.
  await bench.expectRowsAt(bench.a, db, stored(...numbers(11).map(point)))
  await bench.expectRowsAt(bench.a, late, stored(...[0, 1, 2, 3, 4, 10].map(point)))
}

async function returning(bench: Bench): Promise<void> {
  const db = await bench.database()
  const relay = await relayWithout(bench)
  for (const i of numbers(20)) await store(relay.url(), `db=${db}`, point(i))
  const fault = await inject(relay, { calls: everyCall, error: 'EIO' })
  await bench.b.start()
  await relay.waitForLine('disk failed', { backend: 'b' })
  await fault.end()
  await store(relay.url(), `db=${db}`, point(20))
  await bench.expectRows(db, stored(...numbers(21).map(point)))
}

async function flickering(bench: Bench): Promise<void> {
  const db = await bench.database()
  const configuration = await onDisk(bench)
  const relay = await relayWithout(bench, configuration)
  const calls = ['pwrite64', 'fdatasync', 'fsync']
  await inject(relay, { calls, error: 'EIO', when: '2+3' })
  const acknowledged: number[] = []
  const statuses = new Set<number>()
  const client = async (first: number) => {
    for (const i of numbers(30)) {
      const { status } = await write(relay.url(), `db=${db}`, point(first + i))
      if (status === 204) acknowledged.push(first + i)
      statuses.add(status)
    }
  }
  await Promise.all([0, 100, 200].map(client))
  expect(statuses).toEqual(new Set([204, 503]))
  await relay.stop('SIGKILL')
  await bench.relay(configuration)
  await bench.b.start()
  await expectAtB(bench, db, acknowledged)
  const rows = await bench.a.rows(db)
  expect(rows).toEqual(expect.arrayContaining(stored(...acknowledged.map(point))))
}

/** A relay with buffers on disk, and server b killed. */
async function relayWithout(bench: Bench, configuration?: Configuration): Promise<RelayProcess> {
  const relay = await bench.relay(configuration ?? (await onDisk(bench)))
  await bench.b.kill()
  onTestFinished(() => bench.b.start())
  return relay
}

/** Makes calls of the relay fail, at most until the end of the test. */
async function inject(relay: RelayProcess, injection: Injection): Promise<Fault> {
  const fault = await Fault.begin(relay.pid, injection)
  onTestFinished(async () => {
    await fault.end()
  })
  return fault
}

async function expectStatus(
  relay: RelayProcess,
  db: string,
  i: number,
  status: number,
): Promise<void> {
  const answer = await write(relay.url(), `db=${db}`, point(i))
  expect([answer.status, answer.body]).toEqual([
    status,
    expect.stringMatching(bodies[status] ?? ''),
  ])
  expect(answer.headers['retry-after']).toBe(status === 503 ? '1' : undefined)
}

const bodies: Record<number, RegExp> = {
  204: /^$/,
  503: /^\{"error":"unable to keep the write: .+"\}\n$/,
}

/** Waits until b has these points; a client may send again what was refused, so others do no harm. */
async function expectAtB(bench: Bench, db: string, acknowledged: number[]): Promise<void> {
  const rows = stored(...acknowledged.map(point))
  await vi.waitFor(
    async () => expect(await bench.b.rows(db)).toEqual(expect.arrayContaining(rows)),
    patience,
  )
}
