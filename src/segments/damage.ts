/** What a log tells of bytes on disk that it cannot use. */

import { codeOf, createAnew } from '../disk/disk.ts'
import type { Disk, DiskFile } from '../runtime.ts'

export interface Damage {
  /** The path of the file. */
  readonly file: string
  readonly offset: number
  readonly bytes: number
  /**
   * Records that the log was given and will not give back, by their numbers. Some of them may never have
   * been acknowledged; of a write that a crash has interrupted, none was. Undefined if nobody can tell.
   */
  readonly records: number | undefined
  readonly reason: DamageReason
  /** The path of a copy of the bytes, or undefined if there is none. */
  readonly copy: string | undefined
}

/**
 * - `header`: there is no record where one should begin;
 * - `checksum`: a record's bytes have changed;
 * - `torn`: a record, or the end of a segment, was cut short, or has never reached the disk: a write that
 *   a crash interrupted, unless somebody cut the file;
 * - `sequence`: a record with a number that does not belong here, such as that of a write that failed;
 * - `missing`: records that should be here are not, or their whole file is gone;
 * - `unreadable`: the disk has failed to read this, and the log was told to give it up;
 * - `head`: the position up to which everything was delivered is lost, so some of it will come again;
 * - `foreign`: a file that is not the log's; it is left alone.
 */
export type DamageReason =
  | 'header'
  | 'checksum'
  | 'torn'
  | 'sequence'
  | 'missing'
  | 'unreadable'
  | 'head'
  | 'foreign'

/** Those whom a log tells of damage. */
export interface DamageListener {
  /** Called for each stretch of bytes that is not what the log has written. Must not throw. */
  onDamage(damage: Damage): void
  /**
   * Called before records that were lost to damage are taken out, if they may have been acknowledged: so
   * many of them, undefined if nobody can tell. They are taken out once it has resolved; if it rejects,
   * it is called again later.
   */
  onLoss?(records: number | undefined): Promise<void>
}

/** The folder inside a log's own that takes copies of damaged bytes. */
export const DAMAGED = 'damaged'

/** Errors of a disk, or of its file system, that cannot read what it once wrote. */
const UNREADABLE = ['EIO', 'EBADMSG', 'EUCLEAN']

export function isUnreadable(error: unknown): boolean {
  return UNREADABLE.includes(codeOf(error) ?? '')
}

const CHUNK_BYTES = 256 * 1024

/** Bytes of a file, from one offset to another. */
export interface Stretch {
  readonly from: number
  readonly to: number
}

/**
 * Copies a stretch of a segment to `damaged/<name>-<offset>`, and syncs it: the segment will be removed.
 * Takes the place of an earlier copy. Resolves with its path.
 */
export async function setAside(
  disk: Disk,
  folder: string,
  name: string,
  source: DiskFile,
  stretch: Stretch,
): Promise<string> {
  const damaged = `${folder}/${DAMAGED}`
  await disk.makeFolder(damaged)
  const path = `${damaged}/${name}-${stretch.from}`
  const copy = await createAnew(disk, path)
  try {
    for (let at = stretch.from; at < stretch.to; at += CHUNK_BYTES) {
      const bytes = await source.read(at, Math.min(CHUNK_BYTES, stretch.to - at))
      await copy.write(at - stretch.from, bytes)
    }
    await copy.sync()
  } finally {
    await copy.close()
  }
  await disk.syncFolder(damaged)
  return path
}
