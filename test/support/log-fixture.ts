/** For tests of the log: records whose content shows their id, and ways to read them all. */

import type { Disk } from '../../src/runtime.ts'
import type { Damage } from '../../src/segments/damage.ts'
import type { StoredRecord } from '../../src/segments/reader.ts'
import type { LogRecord } from '../../src/segments/record.ts'
import { SegmentLog, type SegmentLogOptions } from '../../src/segments/segment-log.ts'

export const FOLDER = 'log'

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** Kinds of records, with one that no relay has ever written. */
const KINDS = [0, 1, 255]

/** Record `id`. Its body contains the id and is at least `bytes` long. */
export function record(id: number, bytes = 10): LogRecord {
  const kind = KINDS[id % KINDS.length] as number
  const body = encoder.encode(`${id} `.padEnd(bytes, `${id} `))
  return { kind, acceptedAt: 1_700_000_000_000 + id, query: `db=db${id % 3}`, body }
}

/** Records `first` to `last`. */
export function records(first: number, last: number, bytes?: number): LogRecord[] {
  return Array.from({ length: last - first + 1 }, (_, i) => record(first + i, bytes))
}

export function idOf({ kind, acceptedAt, query, body }: LogRecord): number {
  const text = decoder.decode(body)
  const id = Number.parseInt(text, 10)
  const expected = record(id, body.length)
  const isWhole =
    kind === expected.kind &&
    acceptedAt === expected.acceptedAt &&
    query === expected.query &&
    text === decoder.decode(expected.body)
  if (!isWhole)
    throw new Error(`this record was not appended: ${kind} ${acceptedAt} ${query} ${text}`)
  return id
}

export const idsOf = (found: readonly LogRecord[]) => found.map(idOf)

/** Whole numbers from `first` to `last`. */
export function range(first: number, last: number): number[] {
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i)
}

/** A log, and the damage that it reports. */
export async function open(disk: Disk, options: Partial<SegmentLogOptions> = {}) {
  const damage: Damage[] = []
  const log = await SegmentLog.open(disk, FOLDER, {
    onDamage: (one) => damage.push(one),
    ...options,
  })
  return { log, damage }
}

/** The ids of all records in a log, which stay there. */
export async function contentsOf(log: SegmentLog): Promise<number[]> {
  return idsOf(await log.peek(Number.POSITIVE_INFINITY))
}

/** The ids of all records in a log, which are removed in portions. */
export async function drain(log: SegmentLog, maxBytes = 30): Promise<number[]> {
  const ids: number[] = []
  for (;;) {
    const found = await log.peek(maxBytes)
    const last = found.at(-1)
    if (!last) return ids
    ids.push(...idsOf(found))
    await log.advance(last)
  }
}

export function lastOf(found: readonly StoredRecord[]): StoredRecord {
  const last = found.at(-1)
  if (!last) throw new Error('no record was found')
  return last
}
