/** The folder `damaged/` of a log: copies of damaged bytes, and segments that must be kept. */

import { createAnew } from '../disk/atomic-file.ts'
import { codeOf } from '../disk/disk.ts'
import type { Disk, DiskFile } from '../runtime.ts'
import { nameOf, type Segment } from './segment-index.ts'

export const DAMAGED_FOLDER = 'damaged'

const CHUNK_BYTES = 256 * 1024

/** Bytes of a file, from one offset up to another. */
export interface ByteRange {
  readonly from: number
  readonly to: number
}

/**
 * Copies bytes of a segment to `damaged/<name>-<offset>` in place of an earlier copy, and syncs it, because
 * the segment will be removed.
 *
 * @returns the path of the copy
 * @throws an error of the disk
 */
export async function copyDamage(
  disk: Disk,
  folder: string,
  { first }: Segment,
  file: DiskFile,
  { from, to }: ByteRange,
): Promise<string> {
  const damaged = `${folder}/${DAMAGED_FOLDER}`
  await disk.makeFolder(damaged)
  const path = `${damaged}/${nameOf(first)}-${from}`
  const copy = await createAnew(disk, path)
  try {
    for (let at = from; at < to; at += CHUNK_BYTES) {
      const bytes = await file.read(at, Math.min(CHUNK_BYTES, to - at))
      await copy.write(at - from, bytes)
    }
    await copy.sync()
  } finally {
    await copy.close()
  }
  await disk.syncFolder(damaged)
  return path
}

/** Removes a drained segment. One that holds damaged bytes without a copy is moved to `damaged/`. */
export async function removeSegment(
  disk: Disk,
  folder: string,
  { first, mustKeepFile }: Segment,
): Promise<void> {
  const name = nameOf(first)
  const damaged = `${folder}/${DAMAGED_FOLDER}`
  try {
    if (!mustKeepFile) return await disk.remove(`${folder}/${name}`)
    await disk.makeFolder(damaged)
    await disk.rename(`${folder}/${name}`, `${damaged}/${name}`)
    await disk.syncFolder(damaged)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
  }
}
