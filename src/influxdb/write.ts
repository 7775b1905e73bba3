/** The write: line protocol that one client sent in one piece, and where it is to go. */

import { type ConsistencyLevel, parseConsistency } from './consistency.ts'
import type { StampedLines } from './stamp.ts'

/** Where a write goes, the same at every backend. */
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
  /** Writes with the same key can be sent as one. */
  readonly key: string
}

/** What the body of a write is, and so how it is sent and what its answer means. */
export type WriteKind = 'points' | 'statement' | 'remote-write'

/** One accepted body and its destination. */
export interface Write {
  readonly kind: WriteKind
  readonly destination: Destination
  readonly points: StampedLines
  /** What its client wants to be sure of. Counts only until the client has been answered. */
  readonly consistency: ConsistencyLevel
  /** Takes the memory of the points back, once nobody will look at them again; not always called. */
  readonly recycle?: (bytes: Uint8Array) => void
}

/**
 * The parameters of a query string as influxd reads them: the first of several wins, a pair with a `;`
 * or a broken escape does not count. Values stay percent-encoded, in one canonical spelling.
 *
 * @param search with or without the leading `?`
 */
export function parameters(search: string): Map<string, string> {
  const found = new Map<string, string>()
  for (const pair of search.replace(/^\?/, '').split('&')) {
    if (pair === '' || pair.includes(';')) continue
    const cut = pair.indexOf('=')
    const name = canonical(cut < 0 ? pair : pair.slice(0, cut))
    const value = canonical(cut < 0 ? '' : pair.slice(cut + 1))
    if (name !== undefined && value !== undefined && !found.has(name)) found.set(name, value)
  }
  return found
}

/**
 * The destination that a request names, or undefined if it names no database.
 *
 * `u` and `p`, where both are set, stand for Basic authentication and win over the header, as in
 * influxd; as a header they stay out of URLs, and so out of the backends' access logs.
 */
export function v1DestinationOf(
  search: string,
  authorization: string | undefined,
  defaultRetentionPolicy: string,
): Destination | undefined {
  const query = parameters(search)
  const database = query.get('db')
  if (!database) return undefined
  const consistency = parseConsistency(readable(query.get('consistency') ?? ''))
  const user = query.get('u')
  const password = query.get('p')
  query.delete('u')
  query.delete('p')
  // One that is none stays: a server shall say so in its own words, and in its own order.
  if (consistency) query.delete('consistency')
  if (!query.get('rp') && defaultRetentionPolicy !== '') {
    query.set('rp', encodeURIComponent(defaultRetentionPolicy))
  }
  const credentials = user && password ? basic(user, password) : authorization
  return destination(query, credentials, consistency)
}

/**
 * The destination that a request to `/api/v2/write` names, as InfluxDB 1.8 reads it: the bucket is
 * `database` or `database/retention-policy`, the token is `user:password`. Backends are written to in the
 * form that all of InfluxDB 1.x understands.
 */
export function v2DestinationOf(
  search: string,
  authorization: string | undefined,
  defaultRetentionPolicy: string,
): Destination | undefined {
  const parts = parameters(search)
  const [database, retentionPolicy] = (parts.get('bucket') ?? '').split('%2F')
  if (!database) return undefined
  const query = new Map([['db', database]])
  const policy = retentionPolicy || encodeURIComponent(defaultRetentionPolicy)
  if (policy !== '') query.set('rp', policy)
  const precision = parts.get('precision') ?? ''
  if (precision !== '') query.set('precision', V2_PRECISIONS.get(precision) ?? precision)
  const [, token] = /^Token (.+:.*)$/i.exec(authorization ?? '') ?? []
  const credentials = token === undefined ? authorization : `Basic ${base64(headerBytes(token))}`
  return destination(query, credentials)
}

const V2_PRECISIONS = new Map([
  ['ns', 'n'],
  ['us', 'u'],
])

/**
 * The destination of a lane's writes, as far as they have it in common.
 *
 * @param db the database, percent-encoded as in their queries; so is `rp`, empty for the default
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

/** The destination of a write that comes from a lane's log. */
export function recordedDestination(query: string, lane: Destination): Destination {
  return destination(parameters(query), lane.authorization)
}

/** The destination of datagrams, which name none themselves. */
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

/** An Authorization header for a user whose name and password are percent-encoded. */
function basic(user: string, password: string): string {
  return basicAuthorization(readable(user), readable(password))
}

/** An Authorization header in the Basic scheme, in UTF-8 (RFC 7617). */
export function basicAuthorization(user: string, password: string): string {
  return `Basic ${base64(new TextEncoder().encode(`${user}:${password}`))}`
}

function base64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
}

/**
 * The UTF-8 bytes of a piece of a header. Headers come as Latin-1, but some clients put UTF-8 into them:
 * what is valid UTF-8 is taken for that.
 */
function headerBytes(text: string): Uint8Array {
  const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0))
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return bytes
  } catch {
    return new TextEncoder().encode(text)
  }
}

function destination(
  query: ReadonlyMap<string, string>,
  authorization: string | undefined,
  consistency?: ConsistencyLevel,
): Destination {
  const text = [...query]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
    .join('&')
  const database = query.get('db') ?? ''
  const retentionPolicy = query.get('rp') ?? ''
  const credentials = authorization ?? ''
  return {
    database: readable(database),
    retentionPolicy: readable(retentionPolicy),
    precision: query.get('precision') ?? '',
    consistency,
    query: text,
    authorization,
    lane: `${database}&${retentionPolicy}&${credentials}`,
    key: `${text}&${credentials}`,
  }
}

/** One spelling for all ways to write the same name or value; undefined if an escape is broken. */
function canonical(encoded: string): string | undefined {
  const text = encoded.replaceAll('+', ' ')
  if (/%(?![0-9a-f]{2})/i.test(text)) return undefined
  try {
    return encodeURIComponent(decodeURIComponent(text))
  } catch {
    // Escapes that are not UTF-8 stay as they came: what they name is the backend's business.
    return encoded
  }
}

function readable(encoded: string): string {
  try {
    return decodeURIComponent(encoded)
  } catch {
    return encoded
  }
}
