/** Dead letters on disk, for an operator to inspect and to send again. */

import { inBlocks } from '../disk/blocks.ts'
import { GroupCommit } from '../disk/group-commit.ts'
import { join } from '../influxdb/lines.ts'
import type { Disk } from '../runtime.ts'
import { type DamagedFile, DeadLetterFiles, type RemovedFile } from './dead-letter-files.ts'
import { type DeadLetter, type DeadLetterKind, encodeLetter, kindOf } from './dead-letter-format.ts'

export interface DeadLettersOptions {
  /** Bytes of all files, each in whole blocks of 4096. @default 64 MiB */
  readonly maxBytes?: number
  /** Called for each file that was removed to make room, the oldest first. */
  readonly onRemoved?: (removed: RemovedFile) => void
  /** Called by `open` for each file whose end is incomplete. */
  readonly onDamage?: (damage: DamagedFile) => void
}

const DEFAULT_MAX_BYTES = 64 * 1024 * 1024

interface Pending {
  readonly kind: DeadLetterKind
  readonly bytes: Uint8Array
  readonly endsCleanly: boolean
}

/**
 * A folder of files of line protocol: one for each backend, database, retention policy and precision. A new
 * one follows when it is full, when the relay starts, and after a letter that does not end cleanly and so
 * would join the next. An operator may move or remove files at any time.
 */
export class DeadLetters {
  private readonly files: DeadLetterFiles
  private readonly onRemoved: (removed: RemovedFile) => void
  private readonly writes = new GroupCommit(() => this.writePending())
  private pending: Pending[] = []

  private constructor(disk: Disk, folder: string, options: DeadLettersOptions) {
    this.onRemoved = options.onRemoved ?? (() => {})
    this.files = new DeadLetterFiles(
      disk,
      folder,
      options.maxBytes ?? DEFAULT_MAX_BYTES,
      this.onRemoved,
    )
  }

  /**
   * Opens a folder, or makes it. A part of a letter that a crash has left at the end of a file is moved to a
   * file of its own, so that nobody sends half a line, and reported.
   *
   * @throws an error of the disk
   */
  static async open(
    disk: Disk,
    folder: string,
    options: DeadLettersOptions = {},
  ): Promise<DeadLetters> {
    const letters = new DeadLetters(disk, folder, options)
    await letters.files.load(options.onDamage ?? (() => {}))
    return letters
  }

  /** Bytes of all files, as counted for the bound. */
  get bytes(): number {
    return this.files.bytes
  }

  /**
   * Writes a letter. Resolves once it is on disk; a letter larger than the bound is reported as removed
   * instead.
   *
   * Rejects with the error of the disk. The letter may be on disk all the same; add it again.
   */
  async add(letter: DeadLetter): Promise<void> {
    const kind = kindOf(letter)
    const bytes = encodeLetter(letter)
    if (inBlocks(kind.header.length + bytes.length) > this.files.maxBytes) {
      this.onRemoved({ name: undefined, bytes: bytes.length })
      return
    }
    const endsCleanly = letter.points.endsCleanly || kind.ending === 'base64'
    this.pending.push({ kind, bytes, endsCleanly })
    await this.writes.request()
  }

  private async writePending(): Promise<void> {
    const letters = this.pending
    this.pending = []
    try {
      for (const run of runsOf(letters, this.files.maxFileBytes)) {
        const { kind, endsCleanly } = run.at(-1) as Pending
        await this.files.append(kind, join(run.map(({ bytes }) => bytes)))
        if (!endsCleanly) this.files.seal(kind)
      }
      await this.files.sync()
    } catch (error) {
      this.files.sealAll()
      throw error
    }
  }
}

/**
 * Groups letters that can be appended at once: of one kind, at most `maxBytes` unless it is a single one, and
 * none after one that does not end cleanly.
 */
function runsOf(letters: readonly Pending[], maxBytes: number): Pending[][] {
  const runs: Pending[][] = []
  const open = new Map<string, { run: Pending[]; bytes: number }>()
  for (const letter of letters) {
    const { key } = letter.kind
    let last = open.get(key)
    if (!last || last.bytes + letter.bytes.length > maxBytes) {
      last = { run: [], bytes: 0 }
      open.set(key, last)
      runs.push(last.run)
    }
    last.run.push(letter)
    last.bytes += letter.bytes.length
    if (!letter.endsCleanly) open.delete(key)
  }
  return runs
}
