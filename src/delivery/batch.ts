/** Writes that one request carries. */

import { join } from '../influxdb/lines.ts'
import type { Buffers } from '../runtime.ts'
import type { RecordPosition } from './handoff-log.ts'
import type { QueuedWrite, WriteList } from './queued-write.ts'

/** A batch from the moment it is taken from the backlog until its outcome is dealt with. */
export class InFlightBatch {
  /** At least one, all of one kind and destination. */
  readonly writes: readonly QueuedWrite[]
  /** The record of the last write, if they are the oldest on disk. */
  last: RecordPosition | undefined
  /** Whether a spill has dropped or refused the writes: newer ones may be on disk, so none is requeued. */
  isDropped = false
  /** Why the disk did not take the writes. Their clients wait: the backend may still store them. */
  spillError: string | undefined

  constructor(writes: readonly QueuedWrite[], last?: RecordPosition) {
    this.writes = writes
    this.last = last
  }

  get first(): QueuedWrite {
    return this.writes[0] as QueuedWrite
  }

  /** The body of the request: of one write, its own bytes. */
  createBody(buffers: Buffers): Uint8Array {
    if (this.writes.length === 1) return this.first.write.points.bytes
    return join(
      this.writes.map(({ write }) => write.points.bytes),
      buffers,
    )
  }

  /** Gives back all memory of a batch that the backend has stored: this queue does not read it again. */
  recycle(body: Uint8Array, buffers: Buffers): void {
    if (this.writes.length > 1) buffers.give(body)
    for (const write of this.writes) {
      write.uncount()
      write.recycle()
    }
  }

  /** Puts the writes that were not withdrawn back in front of a list. */
  requeue(list: WriteList): void {
    for (let i = this.writes.length - 1; i >= 0; i--) {
      const write = this.writes[i] as QueuedWrite
      if (this.isDropped) write.uncount()
      else if (write.tracker.ownership === 'none') write.forget()
      else list.prepend(write)
    }
  }
}

/**
 * Takes from the front of a list what one request can carry, at most `maxBytes` together. The first write
 * is taken whatever its size. Undefined if the list is empty.
 */
export function takeBatch(list: WriteList, maxBytes: number): InFlightBatch | undefined {
  const writes: QueuedWrite[] = []
  let bytes = 0
  let last: QueuedWrite | undefined
  for (let next = list.head; next; next = list.head) {
    if (last && (bytes + next.bytes > maxBytes || !canFollow(last, next))) break
    list.remove(next)
    writes.push(next)
    bytes += next.bytes + 1
    last = next
  }
  return last && new InFlightBatch(writes)
}

function canFollow(last: QueuedWrite, next: QueuedWrite): boolean {
  return (
    !last.isIsolated &&
    !next.isIsolated &&
    last.write.points.endsCleanly &&
    last.write.kind === next.write.kind &&
    last.write.destination.batchKey === next.write.destination.batchKey
  )
}
