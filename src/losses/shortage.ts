/** What backends lack in each database, summed up from the entries of the gap ledger for fast lookups. */

import type { GapEntry } from './gap.ts'

/** The databases that a reader wants. */
export type Databases = ReadonlySet<string> | 'all'

export interface Shortage {
  /** As far as they could be counted. */
  readonly points: number
  /** Lost writes whose points cannot be counted. */
  readonly writes: number
  /** When the first of the gaps happened, ms since the Unix epoch. */
  readonly since: number
}

export class ShortageIndex {
  private readonly byBackend = new Map<string, Map<string, Shortage>>()

  constructor(entries: Iterable<GapEntry>) {
    for (const entry of entries) {
      const databases = this.byBackend.get(entry.backend) ?? new Map<string, Shortage>()
      databases.set(entry.database, sum(databases.get(entry.database), entry))
      this.byBackend.set(entry.backend, databases)
    }
  }

  /** What a backend lacks in some databases, or in any; undefined if it lacks nothing. */
  find(backend: string, databases: Databases): Shortage | undefined {
    let found: Shortage | undefined
    for (const [database, shortage] of this.byBackend.get(backend) ?? []) {
      // An entry without a database stands for several, or for one that is not known.
      const isCovered = databases === 'all' || database === '' || databases.has(database)
      if (isCovered) found = sum(found, shortage)
    }
    return found
  }
}

function sum(a: Shortage | undefined, b: Shortage): Shortage {
  return {
    points: (a?.points ?? 0) + b.points,
    writes: (a?.writes ?? 0) + b.writes,
    since: Math.min(a?.since ?? b.since, b.since),
  }
}
