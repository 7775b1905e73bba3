/** A relay with fake backends and a fake disk. */

import type { BackendOptions } from '../../src/backend/backend.ts'
import type { ConsistencyLevel } from '../../src/influxdb/consistency.ts'
import { FakeDisk } from './fake-disk.ts'
import type { Handler } from './fake-runtime.ts'
import { createFixture, writeOf } from './relay-fixture.ts'

/** Each backend has a buffer on `disk`, unless its size is 0. */
export async function createDurableFixture(
  handlers: Record<string, Handler>,
  disk = new FakeDisk(),
  options: Partial<BackendOptions> = {},
  segmentBytes?: number,
) {
  const all = { bufferBytes: 1_000_000, ...options }
  const fixture = await createFixture(handlers, all, disk, segmentBytes)
  const { data, accept } = fixture
  if (!data) throw new Error('the fixture has no data directory')
  return {
    ...fixture,
    disk,
    ledger: data.lossRecords.ledger,
    send: (body: string, search = 'db=d', consistency: ConsistencyLevel = 'one') =>
      accept(writeOf(body, search, undefined, consistency)),
    syncs: () => disk.counts.get('sync') ?? 0,
  }
}
