/** The gap ledger: what each backend lacks although it was acknowledged, in one small file. */

import { createFile, folderOf, readFile, replaceFile } from '../disk/atomic-file.ts'
import { codeOf } from '../disk/disk.ts'
import { GroupCommit } from '../disk/group-commit.ts'
import type { Disk } from '../runtime.ts'
import type { Gap, GapEntry, Repair } from './gap.ts'
import { formatLedger, parseLedger } from './gap-ledger-format.ts'
import { type GapLimits, GapTable } from './gap-table.ts'
import type { Databases, Shortage } from './shortage.ts'

export interface GapLedgerOptions extends Partial<GapLimits> {
  /** Called by `open` if the file is damaged. */
  readonly onDamage?: (damage: LedgerDamage) => void
}

export interface LedgerDamage {
  readonly reason: string
  /** The path of a copy of the damaged file; undefined if it could not be made yet. */
  readonly copy: string | undefined
}

export const DEFAULT_LIMITS: GapLimits = { maxRanges: 64, maxEntries: 1024 }

/** Each save replaces the whole file. Changes that come during a save share the next one. */
export class GapLedger {
  private readonly disk: Disk
  private readonly path: string
  private readonly table: GapTable
  private readonly saves = new GroupCommit(() => this.save())
  /** How often the table has changed, and which change the file has. */
  private changes = 0
  private saved = 0
  /** The bytes of a damaged file that must be copied before the file is replaced. */
  private damaged: Uint8Array | undefined

  private constructor(disk: Disk, path: string, limits: GapLimits) {
    this.disk = disk
    this.path = path
    this.table = new GapTable(limits)
  }

  /**
   * Opens a ledger; there need not be a file yet. A damaged file is copied to another name beside it and
   * reported; entries that can be read are kept.
   *
   * @param path its folder is made if there is none
   * @throws an error of the disk if the file exists and cannot be read
   */
  static async open(disk: Disk, path: string, options: GapLedgerOptions = {}): Promise<GapLedger> {
    const ledger = new GapLedger(disk, path, { ...DEFAULT_LIMITS, ...options })
    await disk.makeFolder(folderOf(path))
    const bytes = await readFile(disk, path)
    if (!bytes) return ledger
    const { entries, damage } = parseLedger(new TextDecoder().decode(bytes))
    for (const entry of entries) ledger.table.addEntry(entry)
    if (damage === undefined) return ledger
    ledger.damaged = bytes
    ledger.changes++
    // If the disk refuses the copy, each save tries again.
    const copy = await ledger.copyDamaged().catch(() => undefined)
    await ledger.flush().catch(() => {})
    options.onDamage?.({ reason: damage, copy })
    return ledger
  }

  /**
   * Records a gap. Resolves once it is on disk.
   *
   * Rejects with the error of the disk. The gap is in the ledger all the same and is saved with the next
   * change: adding it again would count its points twice.
   */
  add(gap: Gap): Promise<void> {
    this.table.add(gap)
    this.changes++
    return this.saves.request()
  }

  /**
   * Removes what a verified repair has brought; see `GapTable.close`. Resolves once that is on disk.
   *
   * Rejects with the error of the disk. Until the next save the entries may come back with a restart. It may
   * be called again.
   */
  close(repair: Repair): Promise<void> {
    if (this.table.close(repair)) this.changes++
    return this.flush()
  }

  /** All entries, saved or not, by backend, database, retention policy and time. */
  entries(): readonly GapEntry[] {
    return this.table.entries()
  }

  /** What a backend lacks in some databases, or in any; undefined if it lacks nothing. */
  shortage(backend: string, databases: Databases): Shortage | undefined {
    return this.table.shortage(backend, databases)
  }

  /** Resolves once all changes are on disk. */
  flush(): Promise<void> {
    return this.saved === this.changes ? Promise.resolve() : this.saves.request()
  }

  private async save(): Promise<void> {
    await this.copyDamaged()
    const { changes } = this
    const text = formatLedger(this.table.entries())
    await replaceFile(this.disk, this.path, new TextEncoder().encode(text))
    this.saved = changes
  }

  /** Copies the damaged file, if there is one, to the first free name. Returns that. */
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
