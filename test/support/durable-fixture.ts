/** A relay whose writes outlive it, with fake backends, on a fake disk. */

import { Backend, type BackendOptions } from '../../src/backend/backend.ts'
import { Store } from '../../src/delivery/lane-store.ts'
import type { ConsistencyLevel } from '../../src/influxdb/consistency.ts'
import { v1DestinationOf } from '../../src/influxdb/destination.ts'
import { stamp } from '../../src/influxdb/stamp.ts'
import { DeadLetters } from '../../src/losses/dead-letters.ts'
import { Ledger } from '../../src/losses/gap-ledger.ts'
import { DAMAGED, Losses } from '../../src/losses/losses.ts'
import { createLog } from '../../src/observe/log.ts'
import { Relay } from '../../src/relay/relay.ts'
import { FakeDisk } from './fake-disk.ts'
import { createFakeRuntime, type Handler, settle } from './fake-runtime.ts'
import { DEFAULTS, type Sent } from './relay-fixture.ts'

type Options = Partial<
  Pick<
    BackendOptions,
    'whenFull' | 'maxAgeMs' | 'bufferBytes' | 'timeoutMs' | 'maxBatchBytes' | 'replayRate'
  >
>

/** A relay whose backends all have a buffer on `disk`, unless its size is 0. */
export async function createDurableFixture(
  handlers: Record<string, Handler>,
  disk = new FakeDisk(),
  options: Options = {},
) {
  const runtime = createFakeRuntime(handlers)
  const log = createLog(runtime.writeLog, runtime.clock.wallNanoseconds)
  await disk.makeFolder('data')
  const books = {
    ledger: await Ledger.open(disk, 'data/gaps.jsonl'),
    deadLetters: await DeadLetters.open(disk, 'data/dead-letters'),
  }
  const backends: Backend[] = []
  for (const name of Object.keys(handlers)) {
    const own: BackendOptions = {
      ...DEFAULTS,
      bufferBytes: 100_000,
      ...options,
      name,
      writeUrl: `http://${name}/write`,
    }
    const { whenFull, maxAgeMs } = own
    const losses = new Losses(name, runtime.clock, log, books)
    const damage = (report: object) => runtime.log.push(`damage ${JSON.stringify(report)}`)
    const openStore = () =>
      Store.open(disk, {
        ...{ folder: `data/${name}`, maxBytes: own.bufferBytes, whenFull, maxAgeMs },
        buffers: runtime.buffers,
        onDamage: damage,
        onLoss: (destination, writes) => losses.damaged(destination, writes),
        onLost: (write) => losses.lost(write, DAMAGED),
      })
    const store = own.bufferBytes > 0 ? await openStore() : undefined
    const lanes = (await store?.lanes()) ?? []
    backends.push(new Backend(own, runtime, log, { store, lanes, losses }))
  }
  const relay = new Relay(backends)
  relay.start()
  return {
    disk,
    runtime,
    relay,
    books,
    async send(
      body: string,
      search = 'db=d',
      consistency: ConsistencyLevel = 'one',
    ): Promise<Sent> {
      const sent: Sent = { status: undefined, answer: undefined }
      const destination = v1DestinationOf(search, undefined, '')
      if (!destination) throw new Error('no database')
      const points = stamp(new TextEncoder().encode(body), () => '1')
      void relay.accept({ kind: 'points', destination, points, consistency }).then((given) => {
        sent.answer = given
        sent.status = given.status
      })
      await settle()
      return sent
    },
    bodies: (name: string) => (runtime.received.get(name) ?? []).map(({ body }) => body),
    logged: (text: string) => runtime.log.filter((line) => line.includes(text)),
    syncs: () => disk.counts.get('sync') ?? 0,
  }
}
