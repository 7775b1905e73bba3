/** Dead letters on disk, for an operator to look at and to send again. */

import { GroupCommit } from '../disk/group-commit.ts'
import { join } from '../influxdb/lines.ts'
import type { Disk } from '../runtime.ts'
import { type DamagedFile, inBlocks, LetterFolder, type RemovedFile } from './dead-letter-files.ts'
import { type DeadLetter, type DeadLetterKind, encodeLetter, kindOf } from './dead-letter-format.ts'

export interface DeadLettersOptions {
  /** What all files may take, in bytes, each counted in whole blocks of 4096. By default 64 MiB. */
  readonly maxBytes?: number
  /** Called for each file that has been removed to make room: the oldest goes first. */
  readonly onRemoved?: (removed: RemovedFile) => void
  /** Called, while the folder opens, for each file whose end had not been written in full. */
  readonly onDamage?: (damage: DamagedFile) => void
}

const DEFAULT_MAX_BYTES = 64 * 1024 * 1024

interface Pending {
  readonly kind: DeadLetterKind
  readonly bytes: Uint8Array
  readonly closed: boolean
}

/**
 * A folder of files of line protocol: one for each backend, database, retention policy and precision,
 * and another one when it is full, when the relay starts, and behind a letter that would swallow what
 * follows it. Files may be moved away or removed at any time.
 */
export class DeadLetters {
  private readonly folder: LetterFolder
  private readonly onRemoved: (removed: RemovedFile) => void
  private readonly writes = new GroupCommit(() => this.writePending())
  private pending: Pending[] = []

  private constructor(disk: Disk, path: string, options: DeadLettersOptions) {
    this.onRemoved = options.onRemoved ?? (() => {})
    this.folder = new LetterFolder(
      disk,
      path,
      options.maxBytes ?? DEFAULT_MAX_BYTES,
      this.onRemoved,
    )
  }

  /**
   * Opens a folder, or makes it. What a crash has left of a letter at the end of a file was never
   * added: it is moved to a file of its own, so that nobody sends half a line, and reported.
   *
   * @throws what the disk says
   */
  static async open(
    disk: Disk,
    folder: string,
    options: DeadLettersOptions = {},
  ): Promise<DeadLetters> {
    const letters = new DeadLetters(disk, folder, options)
    await letters.folder.load(options.onDamage ?? (() => {}))
    return letters
  }

  /** What the files take, in bytes, as it is counted for the bound. */
  get bytes(): number {
    return this.folder.bytes
  }

  /**
   * Writes a letter. Resolves when it is on disk for good, or, if it is larger than the bound, when
   * that has been reported.
   *
   * Rejects with the disk's error if it could not be written, or not for sure; then add it again.
   */
  async add(letter: DeadLetter): Promise<void> {
    const kind = kindOf(letter)
    const bytes = encodeLetter(letter)
    if (inBlocks(kind.header.length + bytes.length) > this.folder.maxBytes) {
      this.onRemoved({ name: undefined, bytes: bytes.length })
      return
    }
    this.pending.push({ kind, bytes, closed: letter.points.endsCleanly })
    await this.writes.request()
  }

  private async writePending(): Promise<void> {
    const letters = this.pending
    this.pending = []
    try {
      for (const run of runsOf(letters, this.folder.maxFileBytes)) await this.writeRun(run)
      await this.folder.sync()
    } catch (error) {
      this.folder.sealAll()
      throw error
    }
  }

  private async writeRun(run: readonly Pending[]): Promise<void> {
    const { kind, closed } = run[run.length - 1] as Pending
    await this.folder.append(kind, join(run.map(({ bytes }) => bytes)))
    if (!closed) this.folder.seal(kind)
  }
}

/**
 * Letters that can be written in one piece: of one kind, at most `maxBytes` of them or a single one,
 * and none behind one that is not closed.
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
    if (!letter.closed) open.delete(key)
  }
  return runs
}
