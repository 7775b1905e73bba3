/**
 * Observes clients, relay and servers: records the writes in the order in which the relay accepted them, and
 * checks what must hold at any moment.
 */

import type { Write } from '../../src/influxdb/write.ts'
import { Barriers } from './barriers.ts'
import { isBroken, linesOf, type Point, pointsOf, type Target } from './points.ts'
import { floorOf, type Settings } from './settings.ts'
import type { SimulatedInfluxDB } from './simulated-influxdb.ts'
import type { World } from './world.ts'

/** One write that the relay accepted. */
export interface Acceptance {
  readonly number: number
  readonly at: number
  readonly target: Target
  readonly bytes: number
  readonly lines: readonly string[]
  readonly points: readonly Point[]
  /** How many servers must have it before it is acknowledged. */
  readonly needed: number
  /** Whether its client expects no answer, so that the relay owns it from the start. */
  readonly isOwned: boolean
  /** Whether it may be lost: the relay owned it and crashed before it was on disk, or used no disk. */
  isExcused: boolean
  /** The relay's answer, and when it came. */
  status: number | undefined
  answeredAt: number
}

/** How long an answer may take after enough servers have the write: the others get some time to answer. */
const LATE_MS = 50

/** A write that the relay owns is on disk by then, if the disk works and has room. */
const OWNED_MS = 1100

/** Hears what relays and network do. */
export type Observer = {
  readonly [Method in
    | 'sent'
    | 'accepted'
    | 'answered'
    | 'asks'
    | 'stored'
    | 'replied'
    | 'askedToWait'
    | 'sawDamage'
    | 'lifeEnds'
    | 'barriers']: Witness[Method]
}

export class Witness {
  readonly acceptances: Acceptance[] = []
  readonly faults = new Set<string>()
  readonly barriers: Barriers
  private readonly world: World
  private readonly servers: readonly SimulatedInfluxDB[]
  private readonly options: Settings
  /** The fault, if a power cut at this moment would lose a write. */
  private readonly lossOnPowerCut: (acceptance: Acceptance) => string | undefined
  private readonly sentLines = new Set<string>()
  /** Unanswered writes whose lines came only once, and the servers that have confirmed them. */
  private readonly open = new Map<Acceptance, Set<string>>()
  /** By when an unanswered write must be answered: enough servers have confirmed it. */
  private readonly due = new Map<Acceptance, number>()
  /** Retry-After by server and line: when a server sent it, and until when it holds. */
  private readonly rests = new Map<string, { readonly from: number; readonly until: number }>()
  /** The write of each line; undefined if the line came with several. */
  private readonly origins = new Map<string, { lane: string; number: number } | undefined>()
  /** The kind of the write of each line. */
  private readonly kinds = new Map<string, Write['kind']>()
  /** Lines that each server was sent, and the latest write of each lane among them. */
  private readonly asked = new Set<string>()
  private readonly latest = new Map<string, number>()
  /** The latest write of each lane that a server has confirmed to this process. */
  private readonly done = new Map<string, number>()
  private readonly lastAccepted = new Map<string, number>()
  /** Whether the disk is fast and does not fail, so that no client waits for it. */
  private readonly isCalm: boolean
  private isEnding = false
  /** Bodies to which a server has given the relay a final answer. */
  private readonly replies = new Set<string>()

  constructor(
    world: World,
    servers: readonly SimulatedInfluxDB[],
    options: Settings,
    lossOnPowerCut: Witness['lossOnPowerCut'],
  ) {
    this.world = world
    // A life without buffers on disk sends newer writes before those that another life has left there.
    this.barriers = new Barriers((text) => options.isSwitching || this.fault(text))
    this.lossOnPowerCut = lossOnPowerCut
    this.servers = servers
    this.options = options
    this.isCalm = options.slowness === 0 && !options.isDiskFailing
  }

  fault(text: string): void {
    this.faults.add(text)
  }

  /** A client sends a body, or a part of it. */
  sent(body: string): void {
    for (const line of linesOf(body)) this.sentLines.add(line)
  }

  accepted(
    { kind, destination, points: { bytes }, consistency }: Write,
    { isOwned, isDurable }: { isOwned: boolean; isDurable: boolean },
  ): Acceptance {
    const { world } = this
    const text = new TextDecoder().decode(bytes)
    const lines = linesOf(text)
    const { database, retentionPolicy, precision, authorization: credentials = '' } = destination
    const target = { database, retentionPolicy, precision, credentials }
    const now = world.wallNanoseconds()
    const whole = lines.filter((line) => !isBroken(line))
    const acceptance: Acceptance = {
      ...{ number: this.acceptances.length + 1, at: world.now(), target, lines, isOwned },
      points: whole.flatMap((line) => pointsOf(target, line, now)),
      needed: Math.max(
        this.neededFor(consistency, isDurable),
        isOwned ? 0 : this.neededFor(floorOf(this.options), isDurable),
      ),
      ...{
        bytes: bytes.length,
        isExcused: this.options.isDurable && !isDurable,
        status: undefined,
        answeredAt: world.now(),
      },
    }
    world.log(`accept #${acceptance.number} ${database} ${text.replaceAll('\n', ' | ')}`)
    this.acceptances.push(acceptance)
    this.barriers.acceptedLines(lines)
    // If a line comes again, the servers do not show which of the two writes they have.
    const isRepeated = lines.some((line) => this.lastAccepted.has(line))
    this.remember(acceptance)
    if (isRepeated) this.forget(lines)
    else if (!isOwned) this.open.set(acceptance, new Set())
    for (const line of lines) {
      this.kinds.set(line, kind)
      this.lastAccepted.set(line, world.now())
      if (!this.wasSent(line)) this.fault(`#${acceptance.number}: no client has sent ${line}`)
    }
    return acceptance
  }

  answered(acceptance: Acceptance, status: number, error: string): void {
    const { number, lines, bytes } = acceptance
    this.world.log(`answer #${number} ${status} ${error}`)
    this.open.delete(acceptance)
    this.due.delete(acceptance)
    acceptance.status = status
    acceptance.answeredAt = this.world.now()
    if (status < 400 && status !== 204) this.fault(`#${number} is answered ${status}`)
    if (status === 204) {
      const loss = this.lossOnPowerCut(acceptance)
      if (loss !== undefined) this.fault(`#${number} is acknowledged, and ${loss}`)
      const have = this.servers.filter((server) => server.hasSeen(acceptance.points)).length
      if (have >= acceptance.needed) return
      this.fault(`#${number} is acknowledged, ${have} of ${acceptance.needed} servers have it`)
    } else if (status === 400 || status === 413) {
      if (this.servers.some((server) => server.refuses(lines, bytes))) return
      this.fault(`#${number} is rejected although every server would take it`)
    }
  }

  /** A server has confirmed a body to the relay. */
  stored(server: SimulatedInfluxDB, body: string): void {
    if (this.isEnding) return
    const lines = new Set(linesOf(body))
    for (const line of lines) this.noteDone(server, line)
    for (const [acceptance, confirmed] of this.open) {
      if (!acceptance.lines.every((line) => lines.has(line))) continue
      confirmed.add(server.name)
      if (confirmed.size < Math.max(acceptance.needed, 1) || this.due.has(acceptance)) continue
      this.due.set(acceptance, this.world.now() + LATE_MS)
    }
  }

  /** A server has told the relay what became of a body. */
  replied(server: SimulatedInfluxDB, body: string): void {
    this.replies.add(`${server.name} ${linesOf(body).join('\n')}`)
  }

  /** Whether a server has told the relay what became of a write that was accepted only once. */
  hasReplied(server: string, { lines }: Acceptance): boolean {
    if (lines.some((line) => this.origins.get(line) === undefined)) return false
    return this.replies.has(`${server} ${lines.join('\n')}`)
  }

  /** A server has sent the relay a Retry-After for a body. */
  askedToWait(server: SimulatedInfluxDB, body: string, ms: number): void {
    // With more than one batch in flight, the first Retry-After determines the lane's pause.
    if (this.options.maxInFlight > 1) return
    const from = this.world.now()
    this.world.log(`${server.name} sends Retry-After: ${ms} ms`)
    for (const line of linesOf(body)) {
      this.rests.set(`${server.name} ${line}`, { from, until: from + ms })
    }
  }

  /** The relay sends a body to a server. */
  asks(server: SimulatedInfluxDB, body: string): void {
    const now = this.world.now()
    const kinds = new Set(linesOf(body).map((line) => this.kinds.get(line)))
    if (kinds.size > 1)
      this.fault(`${server.name} gets several kinds in one batch: ${body.replaceAll('\n', ' | ')}`)
    for (const line of linesOf(body)) {
      this.checkOrder(server, line)
      const rest = this.rests.get(`${server.name} ${line}`)
      // A client may have sent the same line again meanwhile.
      if (!rest || now >= rest.until || (this.lastAccepted.get(line) ?? 0) >= rest.from) continue
      this.fault(`${server.name} was asked again before its Retry-After: ${line}`)
    }
  }

  /**
   * The relay logs that a buffer is damaged. A crash may leave torn bytes. Missing or unreadable files need a
   * fault of the disk.
   */
  sawDamage(damage: string): void {
    // Records that were delivered before come back, with all that follow.
    if (/reason=head\b/.test(damage)) this.latest.clear()
    const needsFault = /reason=(missing|head|unreadable)\b/.test(damage)
    if (needsFault && !this.options.isDiskFailing) {
      this.fault(`a buffer is logged as damaged: ${damage}`)
    }
  }

  /** The relay is being stopped: it need not answer any more. */
  lifeEnds(): void {
    this.isEnding = true
    this.due.clear()
  }

  /**
   * The relay's process has ended.
   *
   * @param hadAgeLimit whether it may have dropped writes that come back now, with all that follow
   * @param timeoutMs how long a write that a full buffer has refused may wait for its server's answer
   */
  lifeEnded(hadAgeLimit: boolean, timeoutMs: number): void {
    if (hadAgeLimit) {
      this.asked.clear()
      this.latest.clear()
    }
    this.isEnding = false
    this.open.clear()
    this.due.clear()
    this.rests.clear()
    this.done.clear()
    const safeMs = OWNED_MS + (this.options.isAmple ? 0 : timeoutMs)
    const safe = this.isCalm && this.options.isDurable ? this.world.now() - safeMs : -1
    for (const acceptance of this.acceptances) {
      if (acceptance.isOwned && acceptance.at > safe) acceptance.isExcused = true
    }
  }

  /** Checks for answers that are overdue. */
  checkOverdue(): void {
    if (!this.isCalm) return
    for (const [{ number }, due] of this.due) {
      // A write that does not fit into the buffer waits for the answer of its slow server.
      if (this.options.isAmple && this.world.now() > due) {
        this.fault(`#${number} is stored, and its client waits`)
      }
    }
  }

  /** As in InfluxDB Enterprise; for `any`, a write on disk is enough. */
  private neededFor(level: Write['consistency'], isDurable: boolean): number {
    const total = this.servers.length
    if (level === 'all') return total
    if (level === 'quorum') return total === 2 ? 2 : (total + 1) / 2
    return level === 'any' && isDurable ? 0 : 1
  }

  private remember({ target, number, lines }: Acceptance): void {
    const lane = `${target.database}/${target.retentionPolicy}/${target.credentials}`
    for (const line of lines) {
      const isKnown = this.origins.has(line)
      this.origins.set(line, isKnown ? undefined : { lane, number })
    }
  }

  private noteDone(server: SimulatedInfluxDB, line: string): void {
    const origin = this.origins.get(line)
    if (!origin) return
    const lane = `${server.name} ${origin.lane}`
    this.done.set(lane, Math.max(this.done.get(lane) ?? 0, origin.number))
  }

  /** A write must not be sent for the first time after one of its lane that was accepted later. */
  private checkOrder(server: SimulatedInfluxDB, line: string): void {
    const { maxInFlight, isSwitching } = this.options
    const origin = this.origins.get(line)
    if (!origin || maxInFlight > 1 || isSwitching) return
    const lane = `${server.name} ${origin.lane}`
    const done = this.done.get(lane) ?? 0
    if (origin.number < done) this.fault(`${lane} gets #${origin.number} again after #${done}`)
    const first = `${server.name} ${line}`
    if (this.asked.has(first)) return
    this.asked.add(first)
    const latest = this.latest.get(lane) ?? 0
    if (origin.number < latest) this.fault(`${lane} gets #${origin.number} after #${latest}`)
    this.latest.set(lane, Math.max(latest, origin.number))
  }

  private forget(lines: readonly string[]): void {
    for (const acceptance of this.open.keys()) {
      if (!acceptance.lines.some((line) => lines.includes(line))) continue
      this.open.delete(acceptance)
      this.due.delete(acceptance)
    }
  }

  private wasSent(line: string): boolean {
    return this.sentLines.has(line) || this.sentLines.has(line.slice(0, line.lastIndexOf(' ')))
  }
}
