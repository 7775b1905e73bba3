/** The file beside a lane's folder, readable by its owner only: whose writes the lane holds. */

import { type Destination, laneDestination, parameters } from './write.ts'

/** Names are percent-encoded, as in queries: what clients call a database need not be UTF-8. */
interface LaneFile {
  readonly db: string
  readonly rp: string
  readonly authorization: string | null
}

/** What the file was before: it could not tell apart names that are not UTF-8. */
interface EarlierLaneFile {
  readonly database: string
  readonly retentionPolicy: string
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

/** The destination that its writes have in common, with the same key as ever; undefined if it is damaged. */
export function decodeLane(bytes: Uint8Array): Destination | undefined {
  try {
    const file: unknown = JSON.parse(new TextDecoder().decode(bytes))
    if (isLaneFile(file)) return laneDestination(file.db, file.rp, file.authorization ?? undefined)
    if (!isEarlierLaneFile(file)) return undefined
    const [db, rp] = [file.database, file.retentionPolicy].map(encodeURIComponent)
    return laneDestination(db ?? '', rp ?? '', file.authorization ?? undefined)
  } catch {
    return undefined
  }
}

function isLaneFile(file: unknown): file is LaneFile {
  return typeof (file as Partial<LaneFile> | null)?.db === 'string'
}

function isEarlierLaneFile(file: unknown): file is EarlierLaneFile {
  return typeof (file as Partial<EarlierLaneFile> | null)?.database === 'string'
}
