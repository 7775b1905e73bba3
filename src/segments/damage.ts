/** What a log reports about bytes on disk that it cannot use. */

import { codeOf } from '../disk/disk.ts'

export interface Damage {
  /** The path of the file. */
  readonly file: string
  readonly offset: number
  readonly bytes: number
  /**
   * How many records are lost, by their sequence numbers; undefined if unknown. Some of them may never have
   * been acknowledged. After a crash in the middle of a write it is 0: that write was not acknowledged.
   */
  readonly records: number | undefined
  readonly reason: DamageReason
  /** The path of a copy of the bytes; undefined if there is none. */
  readonly copy: string | undefined
}

/**
 * - `header`: no record starts where one should;
 * - `checksum`: a record's bytes have changed;
 * - `torn`: a record or the end of a segment is incomplete: a write interrupted by a crash, or a file that
 *   was truncated;
 * - `sequence`: a record's sequence number is out of range, as after a write that failed;
 * - `missing`: records or a whole file are missing;
 * - `unreadable`: the disk fails to read the bytes, and the log has skipped them;
 * - `head`: the head file is lost, so some records will be delivered again;
 * - `foreign`: a file that does not belong to the log. It is left alone.
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

export interface DamageListener {
  /** Called once for each damaged range of bytes. Must not throw. */
  onDamage(damage: Damage): void
  /**
   * Called before damaged records that may have been acknowledged are removed from the log. They are
   * removed when it resolves. If it rejects, it is called again later.
   *
   * @param records how many; undefined if unknown
   */
  onLoss?(records: number | undefined): Promise<void>
}

/** Errors of a disk, or of its file system, that cannot read what was written. */
const UNREADABLE = ['EIO', 'EBADMSG', 'EUCLEAN']

export function isUnreadable(error: unknown): boolean {
  return UNREADABLE.includes(codeOf(error) ?? '')
}
