/** What must be true when all is well again. */

import type { GapEntry } from '../../src/losses/gap.ts'
import { isBroken, type Point, pointsOf, type Target } from './points.ts'
import type { SimulatedInfluxDB } from './simulated-influxdb.ts'
import type { Acceptance } from './witness.ts'
import { EPOCH } from './world.ts'

/** What the relay has on disk in the end, as an operator can read it. */
export interface Records {
  readonly ledger: readonly GapEntry[]
  /** The text of all dead letters, by backend; undefined if they may be missing. */
  readonly letters: ReadonlyMap<string, string> | undefined
}

/** What the relay was told to do, in all of its lives. */
export interface Rules {
  /** Whether each server gets the writes of a lane in the order in which they were accepted. */
  readonly isOrdered: boolean
  /** Whether nothing stood in the way but the servers, so that nothing need be lost. */
  readonly isAmple: boolean
  readonly isDiskFailing: boolean
  /** Whether a full buffer may cost writes that were acknowledged. */
  readonly mayDrop: boolean
  /** No write that is younger may be given up for its age. */
  readonly minMaxAgeMs: number
}

/** One value that was written to one key. */
interface Version extends Point {
  readonly acceptance: Acceptance
  readonly line: string
}

/** All that does not hold. */
export function findFaults(
  acceptances: readonly Acceptance[],
  servers: readonly SimulatedInfluxDB[],
  records: Records,
  rules: Rules,
): string[] {
  const versions = versionsOf(acceptances)
  return servers.flatMap((server) => [
    ...new ServerCheck(server, records, rules).faultsOf(versions),
    ...inventions(versions, server),
  ])
}

/** The values of each key, in the order in which the relay accepted them. */
function versionsOf(acceptances: readonly Acceptance[]): Map<string, Version[]> {
  const versions = new Map<string, Version[]>()
  for (const acceptance of acceptances) {
    for (const line of acceptance.lines) {
      if (isBroken(line)) continue
      for (const point of pointsOf(acceptance.target, line, 0n)) {
        const known = versions.get(point.key) ?? []
        if (known.at(-1)?.acceptance === acceptance) known.pop()
        known.push({ ...point, acceptance, line })
        versions.set(point.key, known)
      }
    }
  }
  return versions
}

class ServerCheck {
  private readonly server: SimulatedInfluxDB
  private readonly ledger: readonly GapEntry[]
  private readonly letters: string | undefined
  private readonly rules: Rules

  constructor(server: SimulatedInfluxDB, { ledger, letters }: Records, rules: Rules) {
    this.server = server
    this.ledger = ledger.filter(({ backend }) => backend === server.name)
    this.letters = letters && (letters.get(server.name) ?? '')
    this.rules = rules
  }

  /**
   * A key must have the last value that the relay vouched for, or one that was accepted later: what it
   * did not vouch for may be stored or not. It may have another one only if the ledger says so.
   */
  faultsOf(versions: ReadonlyMap<string, readonly Version[]>): string[] {
    const faults: string[] = []
    const lacking = new Set<string>()
    for (const [key, all] of versions) {
      const wanted = all.findLast(({ acceptance }) => this.isBinding(acceptance))
      const value = this.server.points.get(key)
      if (!wanted || all.some((version, i) => version.value === value && this.mayStay(all, i))) {
        continue
      }
      lacking.add(key.slice(0, key.lastIndexOf(' ')))
      const fault = this.unexplained(wanted)
      const what = `${this.server.name} has ${value} for ${key}, not ${wanted.value}`
      if (fault !== undefined) faults.push(`${what} of #${wanted.acceptance.number}${fault}`)
    }
    const entered = this.ledger.reduce((sum, { points }) => sum + points, 0)
    // Of what could not be read nobody knows how many points it had.
    const isUnknown = this.ledger.some(({ writes }) => writes > 0)
    if (lacking.size > entered && !isUnknown) {
      faults.push(`${this.server.name} lacks ${lacking.size} points, the ledger says ${entered}`)
    }
    return faults
  }

  /** Whether the server must have a write, or the ledger must say that it has not. */
  private isBinding({ status, isOwned, isExcused, lines, bytes }: Acceptance): boolean {
    if (status === 204 || isOwned) return !isExcused
    // Told that it was rejected, by a server that has a part of it: so the others are to have it, too.
    return this.rules.isAmple && status === 400 && !this.server.refuses(lines, bytes)
  }

  /** Whether a version may be the last one that the server got. */
  private mayStay(all: readonly Version[], i: number): boolean {
    const { acceptance } = all[i] as Version
    return !all.slice(i + 1).some((later) => {
      if (!this.isBinding(later.acceptance)) return false
      // With more than one batch in flight, only what a client was told is stored is never overtaken.
      if (this.rules.isOrdered) return true
      return acceptance.status === 204 && acceptance.answeredAt < later.acceptance.at
    })
  }

  /** What is wrong with the ledger, if it does not account for a version that the server lacks. */
  private unexplained(version: Version): string | undefined {
    const entries = this.ledger.filter((entry) => covers(entry, version.acceptance.target, version))
    if (entries.length === 0) return ''
    const good = entries.filter((entry) => this.isGoodReason(entry, version.acceptance))
    if (good.length === 0) return `, for no good reason: ${entries.map(({ reason }) => reason)}`
    // Of what was the relay's from the start, a letter that a broken disk refuses is not tried again.
    const mayLackLetter = version.acceptance.isOwned && this.rules.isDiskFailing
    if (
      this.letters === undefined ||
      mayLackLetter ||
      good.some(({ reason }) => reason !== 'rejected')
    ) {
      return undefined
    }
    return this.letters.includes(version.line) ? undefined : ', and there is no dead letter'
  }

  private isGoodReason({ reason, until }: GapEntry, acceptance: Acceptance): boolean {
    const { lines, bytes, at, isOwned } = acceptance
    if (reason === 'rejected') return this.server.refuses(lines, bytes)
    if (reason === 'too old') {
      const end = until - Number(EPOCH / 1_000_000n)
      return Math.ceil(end - at) >= this.rules.minMaxAgeMs
    }
    return reason !== 'buffer full' || this.rules.mayDrop || isOwned
  }
}

/** Whether the ledger says of all points of a write that a server lacks them. */
export function isEntered(
  { target, points }: Acceptance,
  server: string,
  ledger: readonly GapEntry[],
): boolean {
  const own = ledger.filter(({ backend }) => backend === server)
  return points.every((point) => own.some((entry) => covers(entry, target, point)))
}

function covers(entry: GapEntry, target: Target, { timestamp }: Point): boolean {
  if (entry.database !== target.database) return false
  if (entry.retentionPolicy !== target.retentionPolicy) return false
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
