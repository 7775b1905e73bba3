import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { mountSmallDisk } from '../real/small-disk.ts'
import { type Bench, httpRelay } from './bench.ts'
import { store, write } from './client.ts'
import { numbers, point, stored } from './points.ts'
import { patience, type RelayProcess } from './relay-process.ts'

const MAX_WRITES = 200

/** What becomes of writes for a server that is down when the disk really has no room for them. */
export function fullDisk(bench: Bench): void {
  describe('a disk that is full of', () => {
    test('bytes', () => fill(bench, 'size=4m', { databases: 1, padding: 100_000 }))
    test('files', () => fill(bench, 'nr_inodes=30', { databases: 10, padding: 0 }))
  })
}

interface Load {
  /** Each one takes files of its own. */
  readonly databases: number
  /** Bytes that each write has beside its point. */
  readonly padding: number
}

/** Clients of one relay, and what they were told. */
class Clients {
  readonly acknowledged: number[] = []
  refused = 0
  readonly databases: readonly string[]
  readonly #padding: string
  #next = 0

  constructor(databases: readonly string[], padding: number) {
    this.databases = databases
    this.#padding = padding === 0 ? '' : `\n# ${'x'.repeat(padding)}`
  }

  database(i: number): string {
    return this.databases[i % this.databases.length] as string
  }

  async write(relay: RelayProcess): Promise<void> {
    const i = this.#next++
    const query = `db=${this.database(i)}`
    const { status, headers, body } = await write(relay.url(), query, point(i) + this.#padding)
    if (status === 204) return void this.acknowledged.push(i)
    this.refused++
    expect({ status, body }).toEqual({ status: 503, body: expect.stringMatching(REFUSAL) })
    expect(headers['retry-after']).toBe('1')
  }

  async writeUntilRefused(relay: RelayProcess, times: number): Promise<void> {
    const end = this.refused + times
    while (this.refused < end) {
      expect(this.#next, 'the disk must fill up').toBeLessThan(MAX_WRITES)
      await this.write(relay)
    }
  }
}

const REFUSAL = /^\{"error":"unable to keep the write: .+"\}\n$/

async function fill(bench: Bench, size: string, { databases, padding }: Load): Promise<void> {
  const names: string[] = []
  for (const _ of numbers(databases)) names.push(await bench.database())
  const disk = await mountSmallDisk(size)
  onTestFinished(() => disk.release())
  const keys = { 'buffer-size-mb': 64, 'max-delay-interval': '500ms' }
  const configuration = { 'data-dir': `${disk.path}/data`, ...httpRelay(bench.outputs(keys)) }
  const relay = await bench.relay(configuration)
  await bench.b.kill()
  onTestFinished(() => bench.b.start())

  const clients = new Clients(names, padding)
  await clients.writeUntilRefused(relay, 20)
  expect(clients.acknowledged.length).toBeGreaterThan(0)
  await relay.stop('SIGKILL')
  const next = await bench.relay(configuration)
  await clients.writeUntilRefused(next, 5)
  await bench.b.start()
  await expectAcknowledged(bench, clients)

  await expectRoom(bench, next, names[0] as string, padding)
}

/** Waits until the disk takes writes as large as before. */
async function expectRoom(
  bench: Bench,
  relay: RelayProcess,
  db: string,
  padding: number,
): Promise<void> {
  // The relay sends the second one when it knows that b has the first, and so all that was on disk.
  for (const i of [1, 2]) {
    await vi.waitFor(() => store(relay.url(), `db=${db}`, `again v=${i}i ${i}`), patience)
    const row = stored(`again v=${i}i ${i}`)
    const rows = () => bench.b.rows(db, 'again')
    await vi.waitFor(
      async () => expect(await rows()).toEqual(expect.arrayContaining(row)),
      patience,
    )
  }
  await bench.b.kill()
  const body = `again v=3i 3\n# ${'x'.repeat(padding)}`
  await vi.waitFor(() => store(relay.url(), `db=${db}`, body), patience)
}

/** Waits until b has all that was acknowledged. */
async function expectAcknowledged(bench: Bench, clients: Clients): Promise<void> {
  for (const db of clients.databases) {
    const rows = stored(
      ...clients.acknowledged.filter((i) => clients.database(i) === db).map(point),
    )
    await vi.waitFor(
      async () => expect(await bench.b.rows(db)).toEqual(expect.arrayContaining(rows)),
      patience,
    )
  }
}
