/** The file beside a lane's folder: the destination of its writes. Only its owner can read it. */

import { type Destination, laneDestination } from '../influxdb/destination.ts'
import { parameters } from '../influxdb/query-string.ts'

/** Names are percent-encoded, as in queries: the name of a database need not be UTF-8. */
interface LaneFile {
  readonly db: string
  readonly rp: string
  readonly authorization: string | null
}

export function encodeLane(destination: Destination): Uint8Array {
  const names = parameters(destination.query)
  const file: LaneFile = {
    db: names.get('db') ?? '',
    rp: names.get('rp') ?? '',
    authorization: destination.authorization ?? null,
  }
  return new TextEncoder().encode(`${JSON.stringify(file)}\n`)
}

/** The destination of the lane, with the same key as before; undefined if the file is damaged. */
export function decodeLane(bytes: Uint8Array): Destination | undefined {
  try {
    const file: unknown = JSON.parse(new TextDecoder().decode(bytes))
    if (!isLaneFile(file)) return undefined
    return laneDestination(file.db, file.rp, file.authorization ?? undefined)
  } catch {
    return undefined
  }
}

function isLaneFile(file: unknown): file is LaneFile {
  return typeof (file as Partial<LaneFile> | null)?.db === 'string'
}
