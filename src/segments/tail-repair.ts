/** Repairs the end of the newest segment, where a crash may have interrupted a write. */

import { BufferPool } from '../limits/buffer-pool.ts'
import type { Disk, DiskFile } from '../runtime.ts'
import { type DamageListener, type DamageReason, isUnreadable } from './damage.ts'
import { type ByteRange, copyDamage } from './damaged-folder.ts'
import { RecordScanner } from './record-scanner.ts'
import { nameOf, type Position, type Segment } from './segment-index.ts'

/**
 * Cuts a segment after its last intact record. Syncs it if it had to be cut.
 *
 * @param start the head, or the start of the segment
 * @returns the end of the last record; undefined if the disk fails twice to read the segment
 * @throws an error of the disk or of the listener
 */
export async function repairTail(
  disk: Disk,
  folder: string,
  segment: Segment,
  start: Position,
  options: DamageListener,
): Promise<Position | undefined> {
  const path = `${folder}/${nameOf(segment.first)}`
  const file = await disk.open(path)
  try {
    const find = () => findEnd(file, start, segment.end)
    const found = await find()
      .catch(find)
      .catch((error) => {
        if (!isUnreadable(error)) throw error
      })
    if (!found) return undefined
    const { end, fault } = found
    if (fault) {
      const range = { from: end.offset, to: segment.end }
      const isTorn = fault === 'torn' || (await hasHoles(file, range))
      // The end of a segment that is damaged but not torn may have been acknowledged.
      if (!isTorn) await options.onLoss?.(undefined)
      let copy: string | undefined
      try {
        copy = await copyDamage(disk, folder, segment, file, range)
        await file.truncate(end.offset)
      } catch {
        segment.mustKeepFile = copy === undefined
      }
      options.onDamage({
        file: path,
        offset: range.from,
        bytes: range.to - range.from,
        records: isTorn ? 0 : undefined,
        reason: isTorn ? 'torn' : fault,
        copy,
      })
    }
    if (fault) await file.sync()
    segment.end = end.offset
    return end
  } finally {
    await file.close()
  }
}

/** The end of the last intact record after `from`, and what is wrong with the bytes after it. */
async function findEnd(
  file: DiskFile,
  from: Position,
  size: number,
): Promise<{ end: Position; fault: DamageReason | undefined }> {
  const scanner = new RecordScanner(file, new BufferPool())
  const any = { limit: Number.POSITIVE_INFINITY, maxBodyBytes: Number.POSITIVE_INFINITY }
  let { offset, sequence } = from
  for (;;) {
    const { start, header, reason } = await scanner.find(offset, { end: size, sequence, ...any })
    if (!header) return { end: { ...from, offset, sequence }, fault: reason }
    offset = start + header.bytes
    sequence = header.sequence + 1
  }
}

/** Fewer zeros may be damage. */
const HOLE_BYTES = 4

/**
 * Whether the bytes start or end with zeros, which a power cut leaves where nothing was written. No record
 * starts with a zero, and no text, such as line protocol, ends with several.
 */
async function hasHoles(file: DiskFile, { from, to }: ByteRange): Promise<boolean> {
  const start = await file.read(from, HOLE_BYTES)
  const end = await file.read(Math.max(from, to - HOLE_BYTES), HOLE_BYTES)
  return [start, end].some((bytes) => bytes.every((byte) => byte === 0))
}
