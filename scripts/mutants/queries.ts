/** Deliberate bugs in the choice of the server that answers a query. */

import type { Mutant } from './mutant.ts'

const STALE =
  'a query is answered by a server that lacks acknowledged writes, and the answer does not say so'

export const QUERIES: readonly Mutant[] = [
  {
    name: 'query: writes in memory count as applied',
    breaks: STALE,
    file: 'relay/fan-out.ts',
    find: 'if (isUndelivered(write) && !write.isRecorded) write.countUnapplied()',
    replace: '',
  },
  {
    name: 'query: writes on disk count as applied',
    breaks: STALE,
    file: 'delivery/lane.ts',
    find: 'return mark === undefined || this.log === undefined || this.log.hasPassed(mark)',
    replace: 'return true',
  },
  {
    name: 'query: the first write of a group ends it',
    breaks: STALE,
    file: 'delivery/unapplied.ts',
    find: 'if (group.writes > 0) return\n',
    replace: '',
  },
  {
    name: 'query: a mark leaves its own group out',
    breaks: STALE,
    file: 'delivery/unapplied.ts',
    find: 'oldest.number > mark',
    replace: 'oldest.number >= mark',
  },
  {
    name: 'query: the newest record is left out',
    breaks: STALE,
    file: 'delivery/handoff-log.ts',
    find: 'return log.oldest > sequence',
    replace: 'return log.oldest >= sequence',
  },
  {
    name: 'query: only the oldest record counts',
    breaks: STALE,
    file: 'delivery/handoff-log.ts',
    find: '{ log, sequence: log.newest }',
    replace: '{ log, sequence: log.oldest }',
  },
  {
    name: 'query: gaps are ignored',
    breaks: STALE,
    file: 'query/reading.ts',
    find: 'return !this.hasGap && this.isApplied',
    replace: 'return this.isApplied',
  },
  {
    name: 'query: new gaps are not seen',
    breaks: STALE,
    file: 'losses/gap-table.ts',
    find: 'this.shortages = undefined\n    const entry',
    replace: 'const entry',
  },
  {
    name: 'query: what was applied during a query counts',
    breaks: STALE,
    file: 'query/query-router.ts',
    find: `const behind = chosen.reading.isComplete ? undefined : chosen.reading.behind
      const result = await ask(chosen.server, query, this.runtime)`,
    replace: `const result = await ask(chosen.server, query, this.runtime)
      const behind = chosen.reading.isComplete ? undefined : chosen.reading.behind`,
  },
  {
    name: 'query: any server may answer',
    breaks: 'a query is answered by a server that is behind while a complete one is up',
    file: 'query/choose.ts',
    find: 'const ready = inTurn(preferred.filter(isComplete))',
    replace: 'const ready = inTurn(preferred)',
  },
]
