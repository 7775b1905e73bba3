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
  const [series = '', fields = '', stamp = ''] = line.split(' ')
  const unit = UNITS[target.precision] ?? 1n
  // Anything else than a number was delivered by a mutant. It is stored, so that a check finds it.
  const timestamp = /^-?\d+$/.test(stamp) ? BigInt(stamp) * unit : now
  const place = `${target.database}/${target.retentionPolicy}/${target.credentials}`
  return fields.split(',').map((field) => {
    const [name = '', value = ''] = field.split('=')
    return { key: `${place} ${series} ${timestamp} ${name}`, value, timestamp }
  })
}

export function linesOf(body: string): string[] {
  return body.split('\n').filter((line) => line !== '')
}

/** Whether no server can read it: it has no fields. */
export function isBroken(line: string): boolean {
  return line.startsWith('broken')
}

/** The Authorization header of a user; empty without a user. */
export function credentialsOf(user: string): string {
  return user === '' ? '' : `Basic ${btoa(`${user}:secret`)}`
}
