/** Puts a lane's writes on disk, or gives up what the configuration says if there is no room for them. */

import { faultOf } from '../disk/disk.ts'
import type { Write } from '../influxdb/write.ts'
import { bytesOnDisk, type Handoff, type Mark } from './handoff-log.ts'
import type { DurableHost } from './lane.ts'
import { failure } from './outcome.ts'
import type { Entry, EntryList } from './queued-write.ts'

/** The reason for which writes are given up, as the ledger has it. */
const BUFFER_FULL = 'buffer full'

/** The most bytes of line protocol that one trip to the disk takes along. */
const MAX_TRIP_BYTES = 8 * 1024 * 1024

export class Spooler {
  private readonly host: DurableHost
  private readonly handoff: Handoff

  constructor(host: DurableHost, handoff: Handoff) {
    this.host = host
    this.handoff = handoff
  }

  /**
   * Puts writes on disk, behind those that are there. Their deliveries are told what has become of them.
   * Resolves with the last one's record, or with undefined if none of them is on disk. Never rejects.
   *
   * @param refuse called instead, with the reason, if they must neither be given up nor are on disk
   */
  async put(
    entries: readonly Entry[],
    refuse = (reason: string) => giveBack(entries, reason),
  ): Promise<Mark | undefined> {
    const { store } = this.host
    const bytes = bytesOnDisk(entries)
    try {
      if (!(await this.makeRoom(entries, bytes))) return undefined
      const last = await this.write(entries).finally(() => store.unreserve(bytes))
      for (const entry of entries) {
        entry.release()
        entry.delivery.secured(entry)
      }
      this.handoff.forget((entry) => !entry.delivery.isOpen)
      return last
    } catch (error) {
      if (error instanceof BufferFullError) {
        refuse(BUFFER_FULL)
      } else {
        this.host.diskFailed(error as Error)
        refuse(faultOf(error))
      }
      return undefined
    }
  }

  /** Puts on disk what is in a list, and what comes into it meanwhile. Never rejects. */
  async empty(list: EntryList): Promise<void> {
    while (list.head) await this.put(takeUpTo(list, MAX_TRIP_BYTES))
  }

  private write(entries: readonly Entry[]): Promise<Mark> {
    const { clock } = this.host.options
    return this.handoff.append(entries, Number(clock.wallNanoseconds() / 1_000_000n))
  }

  /**
   * Reserves room for entries as the configuration says. False if they were given up themselves.
   *
   * @throws BufferFullError if nothing may be given up
   */
  private async makeRoom(entries: readonly Entry[], bytes: number): Promise<boolean> {
    const { store } = this.host
    const lose = (write: Write) => this.host.lost(write, BUFFER_FULL)
    if (store.reserve(bytes)) return true
    if (store.options.whenFull === 'reject') throw new BufferFullError(BUFFER_FULL)
    await this.host.lossesSettled()
    while (store.options.whenFull === 'drop-oldest' && !this.handoff.isEmpty) {
      await this.handoff.dropOldest(lose).finally(() => {
        abandon(this.handoff.takeLost(), BUFFER_FULL)
      })
      if (store.reserve(bytes)) return true
    }
    for (const entry of entries) {
      await lose(entry.write)
      entry.release()
    }
    abandon(entries, BUFFER_FULL)
    return false
  }
}

/** Takes entries from the front of a list until they are larger than that together, or all there are. */
function takeUpTo(list: EntryList, maxBytes: number): Entry[] {
  const entries: Entry[] = []
  let bytes = 0
  for (const entry of list) {
    if (bytes > maxBytes) break
    bytes += entry.bytes
    list.remove(entry)
    entries.push(entry)
  }
  return entries
}

/** Lets go of writes that nobody may be told are safe. */
export function giveBack(entries: Iterable<Entry | undefined>, reason: string): void {
  for (const entry of entries) {
    if (!entry) continue
    entry.release()
    entry.delivery.insecure(entry, reason)
  }
}

/** Tells deliveries that the ledger has their writes, and the backend never will. */
export function abandon(entries: Iterable<Entry | undefined>, reason: string): void {
  for (const entry of entries) {
    if (!entry) continue
    entry.secured = true
    entry.delivery.abandoned(entry, failure(reason))
  }
}

class BufferFullError extends Error {}
