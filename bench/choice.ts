/** The subjects of a run. */

import type { Options } from './options.ts'
import { allSubjects, beforeOf, type Subject } from './subjects.ts'

/** Subjects that others are compared with. */
const REFERENCES = ['direct', 'direct-to-both', 'haproxy', 'nginx-mirror']

/** The subject of a soak unless others are named: a soak of each takes as long as the first. */
const SOAKED = 'bun'

/** The named ones with their counterparts of --before, references, and all peers. */
export function chooseSubjects({
  subjects: named,
  peers,
  before,
  soak,
}: Pick<Options, 'subjects' | 'peers' | 'before' | 'soak'>): readonly Subject[] {
  const wanted = soak !== undefined && named.length === 0 ? [SOAKED] : named
  const all = allSubjects({ peers, before })
  const names = all.map(({ name }) => name)
  refuseUnknown('subject', wanted, names)
  if (wanted.length === 0) return all
  const kept = [
    ...[...wanted, ...wanted.map(beforeOf)],
    ...[...REFERENCES, ...peers.map(({ name }) => name)],
  ]
  return all.filter(({ name }) => kept.includes(name))
}

export function refuseUnknown(
  what: string,
  wanted: readonly string[],
  known: readonly string[],
): void {
  const unknown = wanted.find((name) => !known.includes(name))
  if (unknown === undefined) return
  throw new Error(`There is no ${what} ${unknown}; there are ${known.join(', ')}.`)
}
