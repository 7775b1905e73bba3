/**
 * The file beside a lane's folder: the destination of its writes, and its order number. Only its owner can read
 * it.
 *
 * It has two lines: the destination as JSON, and a checksum of the first line. Files of earlier versions lack
 * the checksum.
 */

import { crc32c } from '../disk/crc32c.ts'
import type { Barrier } from '../influxdb/barrier.ts'
import { type Destination, laneDestination, statementDestination } from '../influxdb/destination.ts'
import { parameters } from '../influxdb/query-string.ts'

/** Names are percent-encoded, as in queries: the name of a database need not be UTF-8. */
interface LaneFile {
  readonly db: string
  readonly rp: string
  readonly authorization: string | null
  /** Missing for 0. */
  readonly order?: number
  /** Of a lane of statements. */
  readonly barrier?: Barrier
}

export interface LaneIdentity {
  readonly destination: Destination
  /**
   * How many statements the queue had accepted when the lane was added, itself included: of two lanes that a
   * statement keeps in order, the one with the lower number is older.
   */
  readonly order: number
}

/** What a lane's file says. The destination has the same key as before. */
export interface DecodedLane extends LaneIdentity {
  /** Whether a checksum shows that nothing has changed. */
  readonly isChecked: boolean
}

const encoder = new TextEncoder()

export function encodeLane({ destination, order }: LaneIdentity): Uint8Array {
  const names = parameters(destination.query)
  const file: LaneFile = {
    db: names.get('db') ?? '',
    rp: names.get('rp') ?? '',
    authorization: destination.authorization ?? null,
    ...(order === 0 ? {} : { order }),
    ...(destination.barrier ? { barrier: destination.barrier } : {}),
  }
  const text = JSON.stringify(file)
  return encoder.encode(`${text}\n${checksumOf(text)}\n`)
}

/** Undefined if the file is damaged. */
export function decodeLane(bytes: Uint8Array): DecodedLane | undefined {
  try {
    const [text = '', checksum] = new TextDecoder('utf-8', { fatal: true })
      .decode(bytes)
      .split('\n')
    const isChecked = checksum !== undefined && checksum !== ''
    if (isChecked && checksum !== checksumOf(text)) return undefined
    const file: unknown = JSON.parse(text)
    if (!isLaneFile(file)) return undefined
    const { db, rp, order = 0, barrier } = file
    const authorization = file.authorization ?? undefined
    const destination = barrier
      ? statementDestination(barrier, '', authorization)
      : laneDestination(db, rp, authorization)
    return { destination, order, isChecked }
  } catch {
    return undefined
  }
}

function checksumOf(text: string): string {
  return `crc32c ${crc32c(encoder.encode(text)).toString(16).padStart(8, '0')}`
}

function isLaneFile(value: unknown): value is LaneFile {
  const file = (value ?? {}) as Partial<LaneFile>
  return (
    typeof file.db === 'string' &&
    typeof (file.rp ?? '') === 'string' &&
    typeof (file.authorization ?? '') === 'string'
  )
}
