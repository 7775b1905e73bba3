/** The names of a lane's files in the folder of a backend, and how they are opened and removed. */

import { removeIfThere } from '../disk/atomic-file.ts'
import { codeOf } from '../disk/disk.ts'
import type { Destination } from '../influxdb/destination.ts'
import type { Buffers, Disk } from '../runtime.ts'
import type { Damage } from '../segments/damage.ts'
import { SegmentLog } from '../segments/segment-log.ts'
import type { LogUsage } from '../segments/usage.ts'

/** What the files of an empty lane take on disk: its folder, its own file, and the head of its log. */
export const LANE_BYTES = 4096 + 4096 + 3 * 4096

export interface LaneFolderOptions {
  /** Memory for what is read. */
  readonly buffers: Buffers
  /** The size at which a segment is full. @default 8 MiB */
  readonly segmentBytes?: number | undefined
  onDamage(damage: Damage): void
  /**
   * Records durably that damage has lost writes of a lane.
   *
   * @param writes undefined if their number is not known
   */
  onLoss(destination: Destination, writes: number | undefined): Promise<void>
}

export function lanePath(folder: string, number: number): string {
  return `${folder}/lane-${number}`
}

/** The file with the destination of a lane's writes. */
export function laneFileOf(path: string): string {
  return `${path}.json`
}

/** The number in the name of a lane's folder or file; undefined for any other name. */
export function laneNumberOf(name: string): number | undefined {
  const [, digits] = /^lane-([1-9]\d{0,14})(?:\.json|\.json\.new)?$/.exec(name) ?? []
  return digits === undefined ? undefined : Number(digits)
}

export function openLog(
  disk: Disk,
  path: string,
  destination: Destination,
  usage: LogUsage,
  { buffers, segmentBytes, onDamage, onLoss }: LaneFolderOptions,
): Promise<SegmentLog> {
  return SegmentLog.open(disk, path, {
    ...{ buffers, usage, onDamage },
    ...(segmentBytes === undefined ? {} : { segmentBytes }),
    onLoss: (records) => onLoss(destination, records),
  })
}

/**
 * Removes the files of a lane whose log is durably empty, or was never made. Copies of damaged bytes stay. A
 * crash in the middle leaves an empty lane, which the next start removes.
 *
 * @throws an error of the disk; it can be called again
 */
export async function removeLaneFiles(
  disk: Disk,
  path: string,
  log: SegmentLog | undefined,
): Promise<void> {
  if (log) await log.discard()
  else await removeEmptyFolder(disk, path)
  await removeIfThere(disk, laneFileOf(path))
  await removeIfThere(disk, `${laneFileOf(path)}.new`)
}

async function removeEmptyFolder(disk: Disk, path: string): Promise<void> {
  try {
    await removeIfThere(disk, `${path}/head`)
    await disk.removeFolder(path)
  } catch (error) {
    if (!['ENOENT', 'ENOTEMPTY'].includes(codeOf(error) ?? '')) throw error
  }
}
