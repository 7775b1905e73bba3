/**
 * The order between statements that change something and everything else.
 *
 * A statement is a barrier for the databases that it reads or changes, and for the users that it changes: all
 * writes of such a database, and all requests with the credentials of such a user, keep their place before or
 * after it.
 */

import { userOf } from './credentials.ts'
import type { Statement, StatementKind } from './statement.ts'

/** What a statement is a barrier for. */
export interface Barrier {
  readonly databases: readonly string[]
  readonly users: readonly string[]
  /**
   * Whether the statement only adds what older writes do not need. It need not wait for them: a write that
   * fails because a database or a user is missing must not block the statement that creates it.
   */
  readonly onlyAdds: boolean
}

/** Something that is sent to a server. */
interface Ordered {
  readonly database: string
  readonly authorization: string | undefined
  /** Of a statement. */
  readonly barrier: Barrier | undefined
  /** Writes with the same key keep their order. */
  readonly laneKey: string
}

const ADDITIONS: ReadonlySet<StatementKind> = new Set([
  ...(['CREATE DATABASE', 'CREATE RETENTION POLICY', 'CREATE CONTINUOUS QUERY'] as const),
  ...(['CREATE USER', 'GRANT'] as const),
])

/**
 * @param database the request's; the barrier of a statement that names nothing, such as one that the relay does
 *   not know
 */
export function barrierOf(statements: readonly Statement[], database: string): Barrier {
  const databases = new Set(statements.flatMap(({ reads, changes }) => [...reads, ...changes]))
  const users = new Set(statements.flatMap((statement) => statement.users))
  const isVague = statements.some(
    ({ kind, isServerWide, users }) => kind === 'unknown' || (isServerWide && users.length === 0),
  )
  if (isVague && database !== '') databases.add(database)
  const onlyAdds = statements.every(({ kind, setsDefault }) => ADDITIONS.has(kind) && !setsDefault)
  return { databases: [...databases].sort(), users: [...users].sort(), onlyAdds }
}

/** Whether one of two must keep its place before or after the other. */
export function areOrdered(a: Ordered, b: Ordered): boolean {
  return isBarrierFor(a.barrier, b) || isBarrierFor(b.barrier, a) || a.laneKey === b.laneKey
}

/** Whether `newer` must not be sent before `older` is done, of two that are ordered. */
export function waitsFor(newer: Ordered, older: Ordered): boolean {
  return !(newer.barrier?.onlyAdds && older.barrier === undefined)
}

function isBarrierFor(barrier: Barrier | undefined, other: Ordered): boolean {
  if (barrier === undefined) return false
  const databases = other.barrier?.databases ?? [other.database]
  if (databases.some((name) => barrier.databases.includes(name))) return true
  if (barrier.users.length === 0) return false
  const user = userOf(other.authorization)
  return (
    (user !== undefined && barrier.users.includes(user)) ||
    (other.barrier?.users.some((name) => barrier.users.includes(name)) ?? false)
  )
}
