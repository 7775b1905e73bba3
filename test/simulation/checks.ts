/** What must be true when all is well again. */

import type { GapEntry } from '../../src/gaps.ts'
import type { Acceptance } from './history.ts'
import { pointsOf, type SimulatedInfluxDB } from './simulated-influxdb.ts'

/** What the relay has on disk in the end, as an operator can read it. */
export interface Records {
  readonly ledger: readonly GapEntry[]
  /** The text of all dead letters, by backend; undefined if they may be missing. */
  readonly letters: ReadonlyMap<string, string> | undefined
}

/** One value that was written to one key. */
interface Version {
  readonly acceptance: Acceptance
  readonly line: string
  readonly value: string
  readonly timestamp: bigint
}

/** All that does not hold. */
export function findFaults(
  acceptances: readonly Acceptance[],
  servers: readonly SimulatedInfluxDB[],
  records: Records,
): string[] {
  const versions = versionsOf(acceptances)
  return servers.flatMap((server) => [
    ...checkServer(versions, server, records),
    ...inventions(versions, server),
  ])
}

/** The values of each key, in the order in which the relay accepted them. */
function versionsOf(acceptances: readonly Acceptance[]): Map<string, Version[]> {
  const versions = new Map<string, Version[]>()
  for (const acceptance of acceptances) {
    for (const line of acceptance.lines) {
      if (line.startsWith('broken')) continue
      const { database, retentionPolicy } = acceptance
      for (const { key, value, timestamp } of pointsOf(database, retentionPolicy, line)) {
        const known = versions.get(key) ?? []
        if (known.at(-1)?.acceptance === acceptance) known.pop()
        known.push({ acceptance, line, value, timestamp })
        versions.set(key, known)
      }
    }
  }
  return versions
}

/**
 * A key must have the last value that was acknowledged, or one that was accepted later: what was not
 * acknowledged may be stored or not. It may have another one only if the ledger says so.
 */
function checkServer(
  versions: ReadonlyMap<string, readonly Version[]>,
  server: SimulatedInfluxDB,
  { ledger, letters }: Records,
): string[] {
  const faults: string[] = []
  const lacking = new Set<string>()
  const own = ledger.filter(({ backend }) => backend === server.name)
  for (const [key, all] of versions) {
    const last = all.findLastIndex(({ acceptance }) => acceptance.isAcknowledged)
    const wanted = all[last]
    const value = server.points.get(key)
    if (!wanted || all.slice(last).some((version) => version.value === value)) continue
    const entries = own.filter((entry) => covers(entry, wanted))
    const what = `${server.name} has ${value} for ${key}, not ${wanted.value}`
    lacking.add(key.slice(0, key.lastIndexOf(' ')))
    if (entries.length === 0) faults.push(`${what} of #${wanted.acceptance.number}`)
    else if (
      letters &&
      entries.every(({ reason }) => reason === 'rejected') &&
      !letters.get(server.name)?.includes(wanted.line)
    ) {
      faults.push(`${what} of #${wanted.acceptance.number}, and there is no dead letter`)
    }
  }
  const entered = own.reduce((sum, { points }) => sum + points, 0)
  const isKnown = own.every(({ writes }) => writes === 0)
  if (isKnown && lacking.size > entered) {
    faults.push(`${server.name} lacks ${lacking.size} points, the ledger says ${entered}`)
  }
  return faults
}

function covers(entry: GapEntry, { acceptance, timestamp }: Version): boolean {
  if (entry.database !== acceptance.database) return false
  if (entry.retentionPolicy !== acceptance.retentionPolicy) return false
  if (entry.first === undefined || entry.last === undefined) return true
  return entry.first <= timestamp && timestamp <= entry.last
}

/** Values that nobody has written. */
function inventions(
  versions: ReadonlyMap<string, readonly Version[]>,
  server: SimulatedInfluxDB,
): string[] {
  return [...server.points]
    .filter(([key, value]) => !versions.get(key)?.some((version) => version.value === value))
    .map(([key, value]) => `${server.name} has ${value} for ${key}, which nobody wrote`)
}
