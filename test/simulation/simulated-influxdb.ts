/** An InfluxDB in memory, as far as the relay can tell: points, databases, faults, and rejections. */

import { isBroken, linesOf, pointsOf, type Target } from './points.ts'
import type { World } from './world.ts'

/** The state of a server. */
export type ServerState =
  | 'well'
  /** Nothing listens. */
  | 'down'
  /** Accepts connections, and does not answer yet. */
  | 'stalled'
  /** Answers 500; it may have stored the points all the same. */
  | 'failing'
  /** Answers 503 with Retry-After. */
  | 'busy'
  /** Connections break, often after the points were stored. */
  | 'flaky'
  /** Its databases do not exist yet. */
  | 'empty'

/** Why a server that works does not take some writes, and only those. */
export type Restriction =
  | { readonly kind: 'no database'; readonly database: string }
  | { readonly kind: 'database fails'; readonly database: string }
  | { readonly kind: 'no retention policy'; readonly retentionPolicy: string }
  | { readonly kind: 'no user'; readonly credentials: string }

export interface Reply {
  readonly status: number
  readonly error?: string
  readonly retryAfter?: string
}

export class SimulatedInfluxDB {
  readonly name: string
  state: ServerState = 'well'
  restriction: Restriction | undefined
  /** When its state changed last. */
  changedAt = 0
  /** A larger body is refused. */
  maxBodyBytes = Number.POSITIVE_INFINITY
  /** The numbers of the statements that it has executed. */
  readonly executed = new Set<number>()
  /** Values by their keys. */
  readonly points = new Map<string, string>()
  /** All values that it has or had, by their keys. */
  private readonly written = new Set<string>()
  /** Lines that it has dropped for a conflict. */
  private readonly conflicting = new Set<string>()
  private readonly world: World
  private onMood: (() => void)[] = []

  constructor(name: string, world: World) {
    this.name = name
    this.world = world
  }

  become(state: ServerState): void {
    if (state === this.state) return
    this.world.log(`${this.name} is ${state}`)
    this.state = state
    this.changedAt = this.world.now()
    for (const callback of this.onMood.splice(0)) callback()
  }

  restrict(restriction: Restriction | undefined): void {
    this.world.log(
      `${this.name} ${restriction ? JSON.stringify(restriction) : 'has no restriction'}`,
    )
    this.restriction = restriction
  }

  /** Calls back once, when the server's state changes. */
  whenChanged(callback: () => void): void {
    this.onMood.push(callback)
  }

  /** Whether it has or had all these values. */
  hasSeen(points: readonly { readonly key: string; readonly value: string }[]): boolean {
    return points.every(({ key, value }) => this.written.has(`${key}=${value}`))
  }

  /** Whether it rejects the lines as one write, at least in part. */
  refuses(lines: readonly string[], bytes: number): boolean {
    return bytes > this.maxBodyBytes || lines.some((line) => isBroken(line) || this.conflicts(line))
  }

  /** Whether it takes nothing of such a write. */
  refusesAll(lines: readonly string[], bytes: number): boolean {
    const isBad = (line: string) => isBroken(line) || this.conflicts(line)
    return bytes > this.maxBodyBytes || lines.every(isBad)
  }

  /** Handles a write as influxd does. */
  write(target: Target, body: string): Reply {
    if (this.state === 'empty') return notFound(target.database)
    const complaint = this.complaintOf(target)
    if (complaint) return complaint
    if (body.length > this.maxBodyBytes) return { status: 413, error: 'Request Entity Too Large' }
    const lines = linesOf(body)
    const parsed = lines.filter((line) => !isBroken(line))
    if (parsed.length === 0) return { status: 400, error: 'unable to parse: missing fields' }
    const bad = parsed.filter((line) => this.conflicts(line))
    const [culprit] = bad.toSorted()
    // influxd drops all points of a time shard for a conflict inside one batch, but knows the type after that.
    const isNew = culprit !== undefined && !this.conflicting.has(culprit)
    for (const line of bad) this.conflicting.add(line)
    if (isNew && this.world.chance(0.5)) return { status: 400, error: 'field type conflict' }
    this.store(
      target,
      parsed.filter((line) => !bad.includes(line)),
    )
    if (culprit) return partialWrite(`field type conflict: ${culprit.split(' ')[0]}`, bad.length)
    const broken = lines.filter((line) => isBroken(line))
    if (broken.length === 0) return { status: 204 }
    return partialWrite(broken.map((line) => `unable to parse '${line}'`).join(' '), 0)
  }

  private complaintOf(target: Target): Reply | undefined {
    const { restriction } = this
    if (restriction?.kind === 'no database') {
      return restriction.database === target.database ? notFound(target.database) : undefined
    }
    if (restriction?.kind === 'database fails') {
      return restriction.database === target.database
        ? { status: 500, error: 'timeout' }
        : undefined
    }
    if (restriction?.kind === 'no retention policy') {
      if (restriction.retentionPolicy !== target.retentionPolicy) return undefined
      return { status: 500, error: `retention policy not found: ${target.retentionPolicy}` }
    }
    if (restriction?.credentials !== target.credentials) return undefined
    return { status: 401, error: 'authorization failed' }
  }

  private conflicts(line: string): boolean {
    return line.startsWith('conflict') || line.startsWith(`clash-${this.name}`)
  }

  private store(target: Target, lines: readonly string[]): void {
    const now = this.world.wallNanoseconds()
    for (const line of lines) {
      for (const { key, value } of pointsOf(target, line, now)) {
        this.points.set(key, value)
        this.written.add(`${key}=${value}`)
      }
    }
  }
}

/** @param dropped the points that were left out; lines that could not be parsed do not count */
function partialWrite(reason: string, dropped: number): Reply {
  return { status: 400, error: `partial write: ${reason} dropped=${dropped}` }
}

function notFound(database: string): Reply {
  return { status: 404, error: `database not found: "${database}"` }
}
