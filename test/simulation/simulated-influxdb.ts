/** An InfluxDB in memory, as far as the relay can tell: points, databases, and what it does not like. */

import { isBroken, linesOf, pointsOf, type Target } from './points.ts'
import type { World } from './world.ts'

/** How the server is. */
export type Mood =
  | 'well'
  /** Nothing listens. */
  | 'down'
  /** Takes connections, and does nothing with them for now. */
  | 'stalled'
  /** Answers 500; it may have stored the points all the same. */
  | 'failing'
  /** Answers 503 with Retry-After. */
  | 'busy'
  /** Connections break, often after the points were stored. */
  | 'flaky'
  /** Its databases are not there yet. */
  | 'empty'

/** What keeps a server that is well from taking some writes, and only those. */
export type Grievance =
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
  mood: Mood = 'well'
  grievance: Grievance | undefined
  /** A larger body is refused. */
  maxBodyBytes = Number.POSITIVE_INFINITY
  /** Values by their places. */
  readonly points = new Map<string, string>()
  /** Every value that it has, or has had, behind its place. */
  private readonly written = new Set<string>()
  private readonly world: World
  private onMood: (() => void)[] = []

  constructor(name: string, world: World) {
    this.name = name
    this.world = world
  }

  become(mood: Mood): void {
    if (mood === this.mood) return
    this.world.log(`${this.name} is ${mood}`)
    this.mood = mood
    for (const callback of this.onMood.splice(0)) callback()
  }

  resent(grievance: Grievance | undefined): void {
    this.world.log(`${this.name} ${grievance ? JSON.stringify(grievance) : 'lacks nothing'}`)
    this.grievance = grievance
  }

  /** Calls back once, when the server's mood changes. */
  whenChanged(callback: () => void): void {
    this.onMood.push(callback)
  }

  /** Whether it has, or has had, all these values. */
  hasSeen(points: readonly { readonly key: string; readonly value: string }[]): boolean {
    return points.every(({ key, value }) => this.written.has(`${key}=${value}`))
  }

  /** Whether it will never take the lines as one write, or not all of them. */
  refuses(lines: readonly string[], bytes: number): boolean {
    return bytes > this.maxBodyBytes || lines.some((line) => isBroken(line) || this.conflicts(line))
  }

  /** Takes a write as influxd does. */
  write(target: Target, body: string): Reply {
    if (this.mood === 'empty') return notFound(target.database)
    const complaint = this.complaintOf(target)
    if (complaint) return complaint
    if (body.length > this.maxBodyBytes) return { status: 413, error: 'Request Entity Too Large' }
    const lines = linesOf(body)
    const parsed = lines.filter((line) => !isBroken(line))
    if (parsed.length === 0) return { status: 400, error: 'unable to parse: missing fields' }
    const good = parsed.filter((line) => !this.conflicts(line))
    const isConflict = good.length < parsed.length
    // influxd drops all points of a time shard for a conflict inside one batch.
    if (!isConflict || this.world.chance(0.5)) this.store(target, good)
    if (isConflict) return { status: 400, error: 'partial write: field type conflict dropped=1' }
    if (parsed.length < lines.length) {
      return { status: 400, error: 'partial write: unable to parse: missing fields dropped=0' }
    }
    return { status: 204 }
  }

  private complaintOf(target: Target): Reply | undefined {
    const { grievance } = this
    if (grievance?.kind === 'no database') {
      return grievance.database === target.database ? notFound(target.database) : undefined
    }
    if (grievance?.kind === 'database fails') {
      return grievance.database === target.database ? { status: 500, error: 'timeout' } : undefined
    }
    if (grievance?.kind === 'no retention policy') {
      if (grievance.retentionPolicy !== target.retentionPolicy) return undefined
      return { status: 500, error: `retention policy not found: ${target.retentionPolicy}` }
    }
    if (grievance?.credentials !== target.credentials) return undefined
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

function notFound(database: string): Reply {
  return { status: 404, error: `database not found: "${database}"` }
}
