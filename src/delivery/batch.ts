/** What can travel together, and the body that it travels in. */

import { join } from '../influxdb/lines.ts'
import type { Write } from '../influxdb/write.ts'
import type { Buffers } from '../runtime.ts'
import type { Entry, EntryList } from './queued-write.ts'

/**
 * Takes from the front of a list what one request can carry: writes of one destination, of at most
 * `maxBytes` together. The first is taken whatever its size.
 */
export function takeBatch(list: EntryList, maxBytes: number): Entry[] {
  const batch: Entry[] = []
  let bytes = 0
  for (const entry of list) {
    if (!follows(batch.at(-1), entry, bytes, maxBytes)) break
    list.remove(entry)
    batch.push(entry)
    bytes += entry.bytes + 1
  }
  return batch
}

function follows(last: Entry | undefined, entry: Entry, bytes: number, maxBytes: number): boolean {
  if (!last) return true
  return (
    bytes + entry.bytes <= maxBytes &&
    !entry.alone &&
    !last.alone &&
    last.write.points.endsCleanly &&
    last.write.destination.key === entry.write.destination.key
  )
}

/** The body of the request that carries writes. */
export function bodyOf(writes: readonly Write[], buffers: Buffers): Uint8Array {
  const bodies = writes.map(({ points }) => points.bytes)
  return join(bodies, buffers)
}

/** Gives back the memory of a body that was stored, unless it is a write's own. */
export function recycleBody(body: Uint8Array, writes: readonly Write[], buffers: Buffers): void {
  if (body !== writes[0]?.points.bytes) buffers.give(body)
}
