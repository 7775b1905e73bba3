/** The lines that clients of the simulation write, as points: `m,s=a v=1i,w=1i 1600…`. */

/** The lane of a line, and its precision. */
export interface Target {
  readonly database: string
  readonly retentionPolicy: string
  readonly precision: string
  /** The Authorization header, or nothing. */
  readonly credentials: string
}

/** The value of one field of a line. */
export interface Point {
  /** The series, field and timestamp of the value; each user has series of its own. */
  readonly key: string
  readonly value: string
  /** Nanoseconds since the Unix epoch. */
  readonly timestamp: bigint
}

const UNITS: Readonly<Record<string, bigint>> = {
  n: 1n,
  u: 1000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
}

/** @param now the timestamp of points that have none, in nanoseconds */
export function pointsOf(target: Target, line: string, now: bigint): Point[] {
  const [series = '', fields = '', stamp] = line.split(' ')
  const unit = UNITS[target.precision] ?? 1n
  const timestamp = stamp === undefined ? now : BigInt(stamp) * unit
  const place = `${target.database}/${target.retentionPolicy}/${target.credentials}`
  return fields.split(',').map((field) => {
    const [name = '', value = ''] = field.split('=')
    return { key: `${place} ${series} ${timestamp} ${name}`, value, timestamp }
  })
}

export function linesOf(body: string): string[] {
  return body.split('\n').filter((line) => line !== '')
}

const LINE = /^\S+ \S+( -?\d+)?$/

/** Whether no server can parse it: it has no fields, or a mutant has delivered something else than a line. */
export function isBroken(line: string): boolean {
  return line.startsWith('broken') || !LINE.test(line)
}

/** The Authorization header of a user; empty without a user. */
export function credentialsOf(user: string): string {
  return user === '' ? '' : `Basic ${btoa(`${user}:secret`)}`
}
