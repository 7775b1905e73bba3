/** Finds the lanes that an earlier process has left in the folder of a backend. */

import { readFile, removeIfThere, replaceFile } from '../disk/atomic-file.ts'
import { type Destination, laneDestination } from '../influxdb/destination.ts'
import type { Disk } from '../runtime.ts'
import { isUnreadable } from '../segments/damage.ts'
import { findFirstRecord } from '../segments/first-record.ts'
import type { SegmentLog } from '../segments/segment-log.ts'
import type { LogUsage } from '../segments/usage.ts'
import { decodeLane, encodeLane, type LaneIdentity } from './lane-file.ts'
import {
  type LaneFolderOptions,
  laneFileOf,
  laneNumberOf,
  lanePath,
  openLog,
  removeLaneFiles,
} from './lane-folder.ts'
import { recordedLane } from './write-record.ts'

export interface LaneRecoveryOptions extends LaneFolderOptions {
  /** The folder of the backend. */
  readonly folder: string
}

/** A lane with logs. */
export interface StoredLane extends LaneIdentity {
  /** At least one, oldest first. */
  readonly logs: readonly SegmentLog[]
}

export interface RecoveredLanes {
  /** In the order in which they were added, each once. */
  readonly lanes: readonly StoredLane[]
  /** The folders of all logs. */
  readonly paths: ReadonlyMap<SegmentLog, string>
  /** The folders of lanes that are empty and that the disk did not remove, and their logs if they have one. */
  readonly leftovers: Leftovers
  /** The number of the next folder. */
  readonly nextNumber: number
}

/** The folders of lanes, each with its log if it has one. */
export type Leftovers = Map<string, SegmentLog | undefined>

interface LaneFolder extends LaneIdentity {
  readonly path: string
  readonly log: SegmentLog
}

/** A lane whose file and records are all damaged: nothing of it can be delivered. */
const UNKNOWN: LaneIdentity = { destination: laneDestination('', '', undefined), order: 0 }

/** How many lanes are opened at a time. */
export const LANES_AT_A_TIME = 16

/** @throws an error of the disk, or an error that says which files must be moved away before a start */
export async function recoverLanes(
  disk: Disk,
  usage: LogUsage,
  options: LaneRecoveryOptions,
): Promise<RecoveredLanes> {
  const { folder } = options
  const numbers = await removeStrayFiles(disk, folder)
  const found = new Map<string, LaneFolder[]>()
  const leftovers: Leftovers = new Map()
  for (let i = 0; i < numbers.length; i += LANES_AT_A_TIME) {
    const some = numbers.slice(i, i + LANES_AT_A_TIME)
    const open = (number: number) =>
      openLane(disk, lanePath(folder, number), usage, options, leftovers)
    for (const lane of await Promise.all(some.map(open))) {
      if (!lane) continue
      const key = `${lane.order} ${lane.destination.laneKey}`
      found.set(key, [...(found.get(key) ?? []), lane])
    }
  }
  await disk.syncFolder(folder)
  const lanes: StoredLane[] = []
  const paths = new Map<SegmentLog, string>()
  for (const folders of found.values()) {
    const used = await removeEmpty(disk, folders, leftovers)
    const [first] = used
    if (!first) continue
    const { destination, order } = first
    lanes.push({ destination, order, logs: used.map(({ log }) => log) })
    for (const { log, path } of used) paths.set(log, path)
  }
  const nextNumber = (numbers.at(-1) ?? 0) + 1
  return { lanes: lanes.sort(asAdded), paths, leftovers, nextNumber }
}

/** The lanes with the number of a statement were added after it. */
function asAdded(a: StoredLane, b: StoredLane): number {
  const isStatement = ({ destination }: StoredLane) => Number(destination.barrier !== undefined)
  return a.order - b.order || isStatement(b) - isStatement(a)
}

/** Removes files of lanes without a folder. Returns the numbers of the folders, in ascending order. */
async function removeStrayFiles(disk: Disk, folder: string): Promise<number[]> {
  const entries = await disk.list(folder)
  const numbers = new Set<number>()
  for (const { name, isFolder } of entries) {
    const number = laneNumberOf(name)
    if (number !== undefined && isFolder) numbers.add(number)
  }
  for (const { name, isFolder } of entries) {
    const number = laneNumberOf(name)
    if (number === undefined || isFolder || numbers.has(number)) continue
    // A crash came in the middle of a removal.
    await removeIfThere(disk, `${folder}/${name}`).catch(() => {})
  }
  return [...numbers].sort((a, b) => a - b)
}

/** Undefined if the folder holds no log. */
async function openLane(
  disk: Disk,
  path: string,
  usage: LogUsage,
  options: LaneRecoveryOptions,
  leftovers: Leftovers,
): Promise<LaneFolder | undefined> {
  const file = await readLaneFile(disk, path)
  const said = file && decodeLane(file)
  let lane: LaneIdentity = said ?? UNKNOWN
  if (!said?.isChecked) {
    const { hasSegments, record } = await findFirstRecord(disk, path).catch((error) => {
      if (said || !isUnreadable(error)) return { hasSegments: true, record: undefined }
      // If a later start could read them, these writes would be sent after newer ones.
      const reason = (error as Error).message
      throw new Error(
        `${laneFileOf(path)} is damaged, and ${path} cannot be read (${reason}); ` +
          'move both away to start without them',
        { cause: error },
      )
    })
    if (!said && !hasSegments) {
      // The lane's file is synced before the first record: a crash came before it, or in a removal.
      await remove(disk, path, undefined, leftovers)
      return undefined
    }
    const recorded = record && recordedLane(record)
    if (!said || (recorded && !haveSameNames(lane.destination, recorded.destination))) {
      lane = recorded ?? UNKNOWN
      await restoreLaneFile(disk, path, file?.length ?? 0, lane, options)
    }
  }
  const { destination, order } = lane
  return { destination, order, path, log: await openLog(disk, path, destination, usage, options) }
}

/** Empty if the disk fails twice to read it, undefined if there is none. */
async function readLaneFile(disk: Disk, path: string): Promise<Uint8Array | undefined> {
  const read = () => readFile(disk, laneFileOf(path))
  try {
    return await read().catch(read)
  } catch (error) {
    if (!isUnreadable(error)) throw error
    return new Uint8Array(0)
  }
}

function haveSameNames(a: Destination, b: Destination): boolean {
  return a.database === b.database && a.retentionPolicy === b.retentionPolicy
}

/** Writes a lane's file anew from what its records say. If that fails, the next start does it. */
async function restoreLaneFile(
  disk: Disk,
  path: string,
  bytes: number,
  lane: LaneIdentity,
  { onDamage }: LaneRecoveryOptions,
): Promise<void> {
  const nothing = { offset: 0, records: 0, copy: undefined }
  onDamage({ ...nothing, file: laneFileOf(path), bytes, reason: 'header' })
  if (lane === UNKNOWN) return
  await replaceFile(disk, laneFileOf(path), encodeLane(lane)).catch(() => {})
}

/**
 * Removes the empty ones of the folders of one destination, which has several if one was moved away and back
 * or if a crash came while one was removed. Returns the others, which are delivered in order.
 */
async function removeEmpty(
  disk: Disk,
  folders: readonly LaneFolder[],
  leftovers: Leftovers,
): Promise<LaneFolder[]> {
  const used: LaneFolder[] = []
  for (const lane of folders) {
    if (!lane.log.isEmpty || !(await isRemoved(disk, lane, leftovers))) used.push(lane)
  }
  return used
}

async function isRemoved(
  disk: Disk,
  { log, path }: LaneFolder,
  leftovers: Leftovers,
): Promise<boolean> {
  try {
    await log.sync()
  } catch {
    // Records that were delivered may come back: the lane must know of them.
    return false
  }
  if (!log.isDurablyEmpty) return false
  await remove(disk, path, log, leftovers)
  return true
}

async function remove(
  disk: Disk,
  path: string,
  log: SegmentLog | undefined,
  leftovers: Leftovers,
): Promise<void> {
  await removeLaneFiles(disk, path, log).catch(() => leftovers.set(path, log))
}
