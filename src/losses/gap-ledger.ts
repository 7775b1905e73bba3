/** The gap ledger: what each backend lacks although it was acknowledged, kept in one small file. */

import { createFile, folderOf, readFile, replaceFile } from '../disk/atomic-file.ts'
import { codeOf } from '../disk/disk.ts'
import { GroupCommit } from '../disk/group-commit.ts'
import type { Disk } from '../runtime.ts'
import { formatLedger, parseLedger } from './gap-ledger-format.ts'
import { type Gap, type GapEntry, type GapLimits, GapTable } from './gap-table.ts'

export interface LedgerOptions extends Partial<GapLimits> {
  /** Called while the ledger opens, if its file cannot be read in full. */
  readonly onDamage?: (damage: LedgerDamage) => void
}

export interface LedgerDamage {
  readonly reason: string
  /** Where the file as it was has been put; undefined if that could not be done yet. */
  readonly copy: string | undefined
}

const DEFAULT_LIMITS: GapLimits = { maxRanges: 64, maxEntries: 1024 }

/**
 * Entries are as in `GapTable`. The file is replaced as a whole each time; adds that come while that is
 * done share the next time.
 */
export class Ledger {
  private readonly disk: Disk
  private readonly path: string
  private readonly table: GapTable
  private readonly saves = new GroupCommit(() => this.save())
  /** Counts changes of the table; and how many of them are on disk. */
  private changes = 0
  private saved = 0
  /** A file that has yet to be put aside before its place may be taken. */
  private damaged: Uint8Array | undefined

  private constructor(disk: Disk, path: string, limits: GapLimits) {
    this.disk = disk
    this.path = path
    this.table = new GapTable(limits)
  }

  /**
   * Reads the ledger, or begins one. A file that is damaged is copied to another name beside it and
   * reported; the entries that can be read in it stay.
   *
   * @param path its folder is made if there is none
   * @throws what the disk says if the file is there and cannot be read at all
   */
  static async open(disk: Disk, path: string, options: LedgerOptions = {}): Promise<Ledger> {
    const ledger = new Ledger(disk, path, { ...DEFAULT_LIMITS, ...options })
    const reason = await ledger.load()
    if (reason !== undefined) options.onDamage?.({ reason, copy: await ledger.moveDamage() })
    return ledger
  }

  /**
   * Enters a gap. Resolves when the entry is on disk for good.
   *
   * Rejects with the disk's error if it could not be put there. The entry is in the ledger all the
   * same, and goes to disk with whatever is next: adding it again would count its points twice.
   */
  add(gap: Gap): Promise<void> {
    this.table.add(gap)
    this.changes++
    return this.saves.request()
  }

  /** What has been added, whether or not it is on disk yet, by backend, database, policy and time. */
  entries(): readonly GapEntry[] {
    return this.table.entries()
  }

  /** Resolves when all that has been added is on disk: at once, if it is. */
  flush(): Promise<void> {
    return this.saved === this.changes ? Promise.resolve() : this.saves.request()
  }

  /** Returns what is wrong with the file, if something is. */
  private async load(): Promise<string | undefined> {
    await this.disk.makeFolder(folderOf(this.path))
    const bytes = await readFile(this.disk, this.path)
    if (!bytes) return undefined
    const { entries, damage } = parseLedger(new TextDecoder().decode(bytes))
    for (const entry of entries) this.table.addEntry(entry)
    if (damage === undefined) return undefined
    this.damaged = bytes
    this.changes++
    return damage
  }

  /** The copy's name, or undefined if the disk refuses; then the next save tries again. */
  private async moveDamage(): Promise<string | undefined> {
    const copy = await this.copyDamaged().catch(() => undefined)
    await this.flush().catch(() => {})
    return copy
  }

  private async save(): Promise<void> {
    await this.copyDamaged()
    const changes = this.changes
    const text = formatLedger(this.table.entries())
    await replaceFile(this.disk, this.path, new TextEncoder().encode(text))
    this.saved = changes
  }

  /** Makes sure that nothing is lost when the file's place is taken. */
  private async copyDamaged(): Promise<string | undefined> {
    if (!this.damaged) return undefined
    for (let i = 1; ; i++) {
      const copy = `${this.path}.damaged-${i}`
      try {
        await createFile(this.disk, copy, this.damaged)
      } catch (error) {
        if (codeOf(error) === 'EEXIST') continue
        throw error
      }
      await this.disk.syncFolder(folderOf(this.path))
      this.damaged = undefined
      return copy
    }
  }
}
