/** Where a write goes, and which writes share a lane or a batch. */

import { type Answer, errorAnswer } from './answer.ts'
import type { Barrier } from './barrier.ts'
import { type ConsistencyLevel, parseConsistency } from './consistency.ts'
import { fromTokenAuthorization, userAuthorization } from './credentials.ts'
import { decoded, parameters, queryString } from './query-string.ts'

/** The same at every backend. */
export interface Destination {
  readonly database: string
  /** Empty for the database's default. */
  readonly retentionPolicy: string
  readonly precision: string
  /** The consistency level that the client asks for, if it does. */
  readonly consistency: ConsistencyLevel | undefined
  /** The query string for a backend's write endpoint, without credentials. */
  readonly query: string
  /** The client's credentials as an Authorization header. A secret: it never reaches a log. */
  readonly authorization: string | undefined
  /** What a statement is a barrier for; undefined for points. */
  readonly barrier: Barrier | undefined
  /** Writes of one lane reach a backend in the order in which they were accepted. */
  readonly laneKey: string
  /** Writes with the same key can be sent as one batch. */
  readonly batchKey: string
}

/**
 * The most characters of database, retention policy and credentials together. The file of a lane, which has
 * them, then fits into one block of the disk whatever the characters are. influxd can store nothing in a
 * database with a name of more than 255 bytes: it is the name of a folder.
 */
const MAX_LANE_LENGTH = 2000

const DATABASE_REQUIRED = errorAnswer(400, 'database is required')

const NAMES_TOO_LONG = errorAnswer(
  400,
  `database, retention policy and credentials have more than ${MAX_LANE_LENGTH} characters`,
)

/** The destination of a request to `/write`, or the answer that refuses it. */
export function v1DestinationOf(
  search: string,
  authorization: string | undefined,
  defaultRetentionPolicy: string,
): Destination | Answer {
  const query = parameters(search)
  if (!query.get('db')) return DATABASE_REQUIRED
  if (!query.get('rp') && defaultRetentionPolicy !== '') {
    query.set('rp', encodeURIComponent(defaultRetentionPolicy))
  }
  return clientDestination(query, authorization)
}

/**
 * The destination of a request to `/api/v2/write`, or the answer that refuses it, as in InfluxDB 1.8. The
 * bucket is `database` or `database/retention-policy`, the token is `user:password`. Backends get the write
 * at their v1 endpoint, which every InfluxDB 1.x has.
 */
export function v2DestinationOf(
  search: string,
  authorization: string | undefined,
  defaultRetentionPolicy: string,
): Destination | Answer {
  const given = parameters(search)
  const precision = V2_PRECISIONS.get(given.get('precision') ?? '')
  if (precision === undefined) return invalidPrecision(decoded(given.get('precision') ?? ''))
  // Only the first slash divides: a retention policy may have others in its name.
  const bucket = given.get('bucket') ?? ''
  const [, database = '', , retentionPolicy = ''] = /^(.*?)((?:%2F|\/)(.*))?$/is.exec(bucket) ?? []
  if (database === '') return invalidBucket(decoded(bucket))
  const query = new Map([['db', database]])
  const policy = retentionPolicy || encodeURIComponent(defaultRetentionPolicy)
  if (policy !== '') query.set('rp', policy)
  if (precision !== '') query.set('precision', precision)
  for (const name of ['consistency', 'u', 'p']) {
    const value = given.get(name)
    if (value !== undefined) query.set(name, value)
  }
  return clientDestination(query, fromTokenAuthorization(authorization))
}

/** The precisions of v2, and their names in v1. */
const V2_PRECISIONS = new Map([
  ['', ''],
  ['ns', 'n'],
  ['us', 'u'],
  ['ms', 'ms'],
  ['s', 's'],
])

function invalidPrecision(precision: string): Answer {
  const name = JSON.stringify(precision)
  return errorAnswer(400, `invalid precision ${name} (use ns, us, ms or s)`)
}

function invalidBucket(bucket: string): Answer {
  const fault =
    bucket === ''
      ? 'is missing a slash; not in "database/retention-policy" format'
      : 'is in db/rp form but has an empty database'
  return errorAnswer(404, `bucket name ${JSON.stringify(bucket)} ${fault}`)
}

/**
 * A destination that a client names, or the answer that refuses it.
 *
 * `u` and `p`, if both are set, stand for a user and win over the header, as in influxd. They leave the
 * query string, which keeps them out of the log; see `credentials.ts` for how they reach a backend.
 *
 * @param query parameters of `/write`; unknown ones are passed on
 */
function clientDestination(
  query: Map<string, string>,
  authorization: string | undefined,
): Destination | Answer {
  const consistency = parseConsistency(decoded(query.get('consistency') ?? ''))
  // An invalid level stays in the query: the server rejects it in its own words.
  if (consistency) query.delete('consistency')
  const user = query.get('u')
  const password = query.get('p')
  query.delete('u')
  query.delete('p')
  const credentials =
    user && password ? userAuthorization(decoded(user), decoded(password)) : authorization
  const found = destination(query, credentials, consistency)
  return found.laneKey.length > MAX_LANE_LENGTH ? NAMES_TOO_LONG : found
}

/**
 * What the destinations of a lane's writes have in common.
 *
 * @param db the database, percent-encoded as in a query
 * @param rp the retention policy, percent-encoded; empty for the default
 */
export function laneDestination(
  db: string,
  rp: string,
  authorization: string | undefined,
): Destination {
  const query = new Map([['db', db]])
  if (rp !== '') query.set('rp', rp)
  return destination(query, authorization)
}

/** Whether the name of the database is text: InfluxQL has no way to write other bytes. */
export function hasReadableName({ query, database }: Destination): boolean {
  return parameters(query).get('db') === encodeURIComponent(database)
}

/** The destination of a write that was read from the log of a lane. */
export function recordedDestination(query: string, authorization: string | undefined): Destination {
  return destination(parameters(query), authorization)
}

/** The parameter that has the barrier of a statement, in the query of a record. It is not sent. */
const BARRIER = 'relay-barrier'

/**
 * The destination of a request with a statement that changes something.
 *
 * @param search the parameters that its servers get in the URL
 */
export function statementDestination(
  barrier: Barrier,
  search: string,
  authorization: string | undefined,
): Destination {
  const query = parameters(search)
  // A server would answer before it has executed anything.
  query.delete('async')
  query.set(BARRIER, encodeURIComponent(JSON.stringify(barrier)))
  const text = queryString(query)
  const credentials = authorization ?? ''
  const laneKey = `statement ${JSON.stringify(barrier)}&${credentials}`
  return {
    database: barrier.databases[0] ?? '',
    retentionPolicy: '',
    precision: '',
    consistency: undefined,
    query: text,
    authorization,
    barrier,
    laneKey,
    batchKey: `${laneKey}&${text}`,
  }
}

/** The destination of a statement that was read from the log of a lane. */
export function recordedStatement(query: string, authorization: string | undefined): Destination {
  const barrier = JSON.parse(decoded(parameters(query).get(BARRIER) ?? ''))
  return statementDestination(barrier, query, authorization)
}

/** The query string that servers get with a statement. */
export function statementSearch(query: string): string {
  const found = parameters(query)
  found.delete(BARRIER)
  return queryString(found)
}

/** The destination of datagrams, which the configuration gives: they carry none. */
export function fixedDestination(
  database: string,
  retentionPolicy: string,
  precision: string,
): Destination {
  const query = new Map([['db', encodeURIComponent(database)]])
  if (retentionPolicy !== '') query.set('rp', encodeURIComponent(retentionPolicy))
  if (precision !== '') query.set('precision', precision)
  return destination(query, undefined)
}

function destination(
  query: ReadonlyMap<string, string>,
  authorization: string | undefined,
  consistency?: ConsistencyLevel,
): Destination {
  const text = queryString(query)
  const database = query.get('db') ?? ''
  const retentionPolicy = query.get('rp') ?? ''
  const credentials = authorization ?? ''
  return {
    database: decoded(database),
    retentionPolicy: decoded(retentionPolicy),
    precision: query.get('precision') ?? '',
    consistency,
    query: text,
    authorization,
    barrier: undefined,
    laneKey: `${database}&${retentionPolicy}&${credentials}`,
    batchKey: `${text}&${credentials}`,
  }
}
