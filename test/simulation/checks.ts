/** Checks of the final state, once nothing fails any more and everything is delivered. */

import type { GapEntry } from '../../src/losses/gap.ts'
import { isBroken, type Point, pointsOf, type Target } from './points.ts'
import type { SimulatedInfluxDB } from './simulated-influxdb.ts'
import type { Acceptance } from './witness.ts'
import { EPOCH } from './world.ts'

/** The relay's records of losses at the end, as an operator can read them. */
export interface Records {
  readonly ledger: readonly GapEntry[]
  /** The text of all dead letters, by backend; undefined if they may be missing. */
  readonly letters: ReadonlyMap<string, string> | undefined
}

/** What the configurations of all lives permit. */
export interface Rules {
  /** Whether each server gets the writes of a lane in the order in which they were accepted. */
  readonly isOrdered: boolean
  /** Whether only servers failed and there was room for everything, so that nothing may be lost. */
  readonly isAmple: boolean
  readonly isDiskFailing: boolean
  /** Whether the relay may have forgotten which writes were told to have failed. */
  readonly hasRestarted: boolean
  /** Whether a server has told the relay what became of a write that was accepted only once. */
  hasReplied(server: string, acceptance: Acceptance): boolean
  /** Whether a full buffer may drop acknowledged writes. */
  readonly mayDrop: boolean
  /** No younger write may be dropped as too old. */
  readonly minMaxAgeMs: number
}

/** One value written to one key. */
interface Version extends Point {
  readonly acceptance: Acceptance
  readonly line: string
}

/** The checks that fail. */
export function findFaults(
  acceptances: readonly Acceptance[],
  servers: readonly SimulatedInfluxDB[],
  records: Records,
  rules: Rules,
): string[] {
  const versions = versionsOf(acceptances)
  return servers.flatMap((server) => [
    ...new ServerCheck(server, servers, records, rules).faultsOf(versions),
    ...inventions(versions, server),
    ...falseEntries(acceptances, server, servers, records, rules),
    ...hiddenDifferences(acceptances, server, servers, records, rules),
  ])
}

/** Whether the client may believe the write stored: it has its 204, expects no answer, or got none. */
function mayBeAcknowledged({ status, isOwned }: Acceptance): boolean {
  return status === 204 || status === undefined || isOwned
}

/** More points in the gap ledger than a server has rejected or lacks. */
function falseEntries(
  acceptances: readonly Acceptance[],
  server: SimulatedInfluxDB,
  servers: readonly SimulatedInfluxDB[],
  { ledger }: Records,
  { hasRestarted, isDiskFailing, hasReplied }: Rules,
): string[] {
  // A loss may be entered again if the disk refused its dead letter.
  if (hasRestarted || isDiskFailing) return []
  const enteredAs = (reason: string) =>
    ledger
      .filter((entry) => entry.backend === server.name && entry.reason === reason)
      .reduce((sum, { points }) => sum + points, 0)
  const linesOf = (some: readonly Acceptance[]) =>
    some.reduce((sum, { lines }) => sum + lines.length, 0)
  const lacks = ({ points }: Acceptance) =>
    points.some((one) => !server.hasSeen([one]) && servers.some((other) => other.hasSeen([one])))
  const rejected = linesOf(
    acceptances.filter((one) => mayBeAcknowledged(one) && server.refuses(one.lines, one.bytes)),
  )
  // A server whose answer was lost may have the write. One that has dropped points does not say which lines it
  // could not parse, so they count as missing at a server that does.
  const lacking = linesOf(
    acceptances.filter(
      (one) =>
        one.status !== 204 &&
        (lacks(one) || !hasReplied(server.name, one) || one.lines.some(isBroken)),
    ),
  )
  const faults: string[] = []
  if (enteredAs('rejected') > rejected) {
    faults.push(`${server.name} rejected ${rejected} acknowledged points, the ledger says more`)
  }
  // Of three servers, two may enter on their own what the third lacks.
  if (servers.length === 2 && enteredAs('diverged') > lacking) {
    faults.push(`${server.name} lacks ${lacking} points that failed, the ledger says more`)
  }
  return faults
}

/** Points of rejected writes that only the other server has and that the gap ledger does not list. */
function hiddenDifferences(
  acceptances: readonly Acceptance[],
  server: SimulatedInfluxDB,
  servers: readonly SimulatedInfluxDB[],
  { ledger }: Records,
  { hasRestarted, hasReplied }: Rules,
): string[] {
  const [other, third] = servers.filter((one) => one !== server)
  // The record of a write on disk knows the answers of those servers that had given theirs before.
  if (hasRestarted || !other || third) return []
  const own = ledger.filter(({ backend }) => backend === server.name)
  return acceptances
    .filter(({ status }) => status === 400 || status === 413)
    .filter((acceptance) => hasReplied(other.name, acceptance))
    .flatMap(({ number, target, points }) =>
      points
        .filter((point) => !point.key.includes(' shared '))
        .filter((point) => other.hasSeen([point]) && !server.hasSeen([point]))
        .filter((point) => !own.some((entry) => covers(entry, target, point)))
        .map(({ key }) => `only ${other.name} has ${key} of #${number}, and no entry says so`),
    )
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
  private readonly servers: readonly SimulatedInfluxDB[]
  private readonly ledger: readonly GapEntry[]
  private readonly letters: string | undefined
  private readonly rules: Rules

  constructor(
    server: SimulatedInfluxDB,
    servers: readonly SimulatedInfluxDB[],
    { ledger, letters }: Records,
    rules: Rules,
  ) {
    this.server = server
    this.servers = servers
    this.ledger = ledger.filter(({ backend }) => backend === server.name)
    this.letters = letters && (letters.get(server.name) ?? '')
    this.rules = rules
  }

  /**
   * A key must have the last value that was acknowledged, or one that was accepted later: a write without
   * acknowledgement may be stored or not. It may have another value only if the gap ledger says so.
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
    const entered = this.ledger
      .filter(({ reason }) => reason !== 'diverged')
      .reduce((sum, { points }) => sum + points, 0)
    // The points of an unreadable record cannot be counted.
    const isUnknown = this.ledger.some(({ writes }) => writes > 0)
    if (lacking.size > entered && !isUnknown) {
      faults.push(`${this.server.name} lacks ${lacking.size} points, the ledger says ${entered}`)
    }
    return faults
  }

  /** Whether the server must have a write, or the gap ledger must say that it lacks it. */
  private isBinding({ status, isOwned, isExcused, lines, bytes }: Acceptance): boolean {
    if (status === 204 || isOwned) return !isExcused
    // Rejected by a server that has stored a part of it: the others must get it, too.
    if (!this.rules.isAmple || status !== 400 || this.server.refuses(lines, bytes)) return false
    return !this.servers.some((one) => one.refusesAll(lines, bytes))
  }

  /** Whether a version may be the last one that the server was sent. */
  private mayStay(all: readonly Version[], i: number): boolean {
    const { acceptance } = all[i] as Version
    return !all.slice(i + 1).some((later) => {
      if (!this.isBinding(later.acceptance)) return false
      // With more than one batch in flight, only acknowledged writes are never overtaken.
      if (this.rules.isOrdered) return true
      return acceptance.status === 204 && acceptance.answeredAt < later.acceptance.at
    })
  }

  /** The fault, if the gap ledger does not cover a version that the server lacks. */
  private unexplained(version: Version): string | undefined {
    const entries = this.ledger.filter((entry) => covers(entry, version.acceptance.target, version))
    if (entries.length === 0) return ''
    const good = entries.filter((entry) => this.isGoodReason(entry, version.acceptance))
    if (good.length === 0) return `, for no good reason: ${entries.map(({ reason }) => reason)}`
    // A dead letter of a write without a client is not retried if the disk refuses it.
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
    const { lines, bytes, at, isOwned, status } = acceptance
    if (reason === 'diverged') return status !== 204 && !isOwned
    if (reason === 'rejected') return this.server.refuses(lines, bytes)
    if (reason === 'too old') {
      const end = until - Number(EPOCH / 1_000_000n)
      return Math.ceil(end - at) >= this.rules.minMaxAgeMs
    }
    return reason !== 'buffer full' || this.rules.mayDrop || isOwned
  }
}

/** Whether the gap ledger has all points of a write as lacking at a server. */
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

/** Values that no client has written. */
function inventions(
  versions: ReadonlyMap<string, readonly Version[]>,
  server: SimulatedInfluxDB,
): string[] {
  return [...server.points]
    .filter(([key, value]) => !versions.get(key)?.some((version) => version.value === value))
    .map(([key, value]) => `${server.name} has ${value} for ${key}, which nobody wrote`)
}
