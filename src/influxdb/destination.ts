/** Where a write goes, and which writes share a lane or a batch. */

import { type ConsistencyLevel, parseConsistency } from './consistency.ts'
import { basicAuthorization, fromTokenAuthorization } from './credentials.ts'
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
  /** Writes of one lane reach a backend in the order in which they were accepted. */
  readonly lane: string
  /** Writes with the same key can be sent as one batch. */
  readonly key: string
}

/**
 * The destination of a request to `/write`, or undefined if it names no database.
 *
 * `u` and `p`, if both are set, stand for Basic authentication and win over the header, as in influxd.
 * They become a header here, which keeps them out of URLs and so out of the backends' access logs.
 */
export function v1DestinationOf(
  search: string,
  authorization: string | undefined,
  defaultRetentionPolicy: string,
): Destination | undefined {
  const query = parameters(search)
  const database = query.get('db')
  if (!database) return undefined
  const consistency = parseConsistency(decoded(query.get('consistency') ?? ''))
  const user = query.get('u')
  const password = query.get('p')
  query.delete('u')
  query.delete('p')
  // An invalid level stays in the query: the server rejects it in its own words.
  if (consistency) query.delete('consistency')
  if (!query.get('rp') && defaultRetentionPolicy !== '') {
    query.set('rp', encodeURIComponent(defaultRetentionPolicy))
  }
  const credentials =
    user && password ? basicAuthorization(decoded(user), decoded(password)) : authorization
  return destination(query, credentials, consistency)
}

/**
 * The destination of a request to `/api/v2/write`, as InfluxDB 1.8 reads it: the bucket is `database`
 * or `database/retention-policy`, the token is `user:password`. Backends get the write at their v1
 * endpoint, which every InfluxDB 1.x has. Undefined if the request names no bucket.
 */
export function v2DestinationOf(
  search: string,
  authorization: string | undefined,
  defaultRetentionPolicy: string,
): Destination | undefined {
  const given = parameters(search)
  const [database, retentionPolicy] = (given.get('bucket') ?? '').split('%2F')
  if (!database) return undefined
  const query = new Map([['db', database]])
  const policy = retentionPolicy || encodeURIComponent(defaultRetentionPolicy)
  if (policy !== '') query.set('rp', policy)
  const precision = given.get('precision') ?? ''
  if (precision !== '') query.set('precision', V2_PRECISIONS.get(precision) ?? precision)
  return destination(query, fromTokenAuthorization(authorization))
}

/** Precisions that have another name in v1. */
const V2_PRECISIONS = new Map([
  ['ns', 'n'],
  ['us', 'u'],
])

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

/** The destination of a write that was read from the log of a lane. */
export function recordedDestination(query: string, authorization: string | undefined): Destination {
  return destination(parameters(query), authorization)
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
    lane: `${database}&${retentionPolicy}&${credentials}`,
    key: `${text}&${credentials}`,
  }
}
