/** What can travel together. */

import type { Entry, EntryList } from './entry.ts'

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
    last.write.points.closed &&
    last.write.destination.key === entry.write.destination.key
  )
}
