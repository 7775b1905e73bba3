/** An InfluxDB in memory, as far as the relay can tell: points, databases, and what it does not like. */

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

export interface Reply {
  readonly status: number
  readonly error?: string
  readonly retryAfter?: string
}

/** A line that the simulation makes: `m,s=a v=1i 1700…`. */
export interface Point {
  readonly key: string
  readonly value: string
  readonly timestamp: bigint
}

export class SimulatedInfluxDB {
  readonly name: string
  mood: Mood = 'well'
  /** A larger body is refused. */
  maxBodyBytes = Number.POSITIVE_INFINITY
  /** Values by database, retention policy, series, timestamp and field. */
  readonly points = new Map<string, string>()
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

  /** Calls back once, when the server's mood changes. */
  whenChanged(callback: () => void): void {
    this.onMood.push(callback)
  }

  /** Takes a write as influxd does. */
  write(database: string, retentionPolicy: string, body: string): Reply {
    if (this.mood === 'empty') return { status: 404, error: `database not found: "${database}"` }
    if (body.length > this.maxBodyBytes) return { status: 413, error: 'Request Entity Too Large' }
    const lines = body.split('\n').filter((line) => line !== '')
    const parsed = lines.filter((line) => !line.startsWith('broken'))
    if (parsed.length === 0) return { status: 400, error: 'unable to parse: missing fields' }
    const good = parsed.filter((line) => !this.conflicts(line))
    const isConflict = good.length < parsed.length
    // influxd drops all points of a time shard for a conflict inside one batch.
    if (!isConflict || this.world.chance(0.5)) this.store(database, retentionPolicy, good)
    if (isConflict) return { status: 400, error: 'partial write: field type conflict dropped=1' }
    if (parsed.length < lines.length) {
      return { status: 400, error: 'partial write: unable to parse: missing fields dropped=0' }
    }
    return { status: 204 }
  }

  private conflicts(line: string): boolean {
    return line.startsWith('conflict') || line.startsWith(`clash-${this.name}`)
  }

  private store(database: string, retentionPolicy: string, lines: readonly string[]): void {
    for (const line of lines) {
      for (const { key, value } of pointsOf(database, retentionPolicy, line)) {
        this.points.set(key, value)
      }
    }
  }
}

/** The values of a line, one for each field. */
export function pointsOf(database: string, retentionPolicy: string, line: string): Point[] {
  const [series = '', fields = '', timestamp = ''] = line.split(' ')
  return fields.split(',').map((field) => {
    const [name = '', value = ''] = field.split('=')
    return {
      key: `${database}/${retentionPolicy} ${series} ${timestamp} ${name}`,
      value,
      timestamp: BigInt(timestamp),
    }
  })
}
