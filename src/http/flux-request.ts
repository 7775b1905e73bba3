/** The body of a request to `/api/v2/query`, as influxd 1.8 reads it: a Flux script, or JSON with one. */

import type { ReadEndpoint } from '../backend/query-client.ts'
import { type Answer, errorAnswer } from '../influxdb/answer.ts'
import { readFlux } from '../influxdb/flux.ts'
import type { Databases } from '../losses/shortage.ts'
import type { Query } from '../query/query-router.ts'

/** A request as a server gets it, and the databases for which the server must be complete. */
export interface ReadRequest extends Pick<Query, 'headers'> {
  readonly endpoint: ReadEndpoint
  readonly body: Uint8Array
  readonly databases: Databases
}

/**
 * The parser of influxd 1.8 is recursive: 300,000 nested strings exceed its stack, and the process ends. The relay
 * would then ask the next server.
 */
const MAX_SCRIPT_LENGTH = 128 * 1024

/** Far more than a client needs beside a script. Some runtimes write out JSON of any depth. */
const MAX_OPTIONS_LENGTH = 64 * 1024

/** A character of a script takes at most as many in JSON, as in `\u0000`. */
const MAX_JSON_FACTOR = 6

export function fluxRequest(
  _: ReadonlyMap<string, string>,
  body: Uint8Array,
  headers: Headers,
): ReadRequest | Answer {
  const text = new TextDecoder().decode(body)
  const isScript = /^application\/vnd\.flux\b/i.test(headers.get('content-type') ?? '')
  const read = isScript ? { script: text, sent: text } : readJson(text)
  if ('status' in read) return read
  if (read.script.length > MAX_SCRIPT_LENGTH) {
    return errorAnswer(413, `the Flux script has more than ${MAX_SCRIPT_LENGTH} characters`)
  }
  const { databases, writer } = readFlux(read.script)
  if (writer !== undefined) return notForOneServer(`the Flux script has the function ${writer}()`)
  return {
    endpoint: 'flux',
    body: new TextEncoder().encode(read.sent),
    headers: { 'content-type': isScript ? 'application/vnd.flux' : 'application/json' },
    databases,
  }
}

/** Keys with a script in another form, which only a server can read. */
const COMPILED = ['ast', 'spec', 'extern']

/**
 * The script in a JSON text, and the text for a server: with the keys that were read here, since Go reads a key in
 * any case, and the last of several.
 */
function readJson(text: string): { script: string; sent: string } | Answer {
  let request: Record<string, unknown>
  try {
    request = Object(JSON.parse(text))
  } catch (error) {
    return errorAnswer(400, `the request is not valid JSON: ${(error as Error).message}`)
  }
  const compiled = Object.keys(request).find((key) => COMPILED.includes(key.toLowerCase()))
  if (compiled !== undefined && request[compiled] !== null) {
    return notForOneServer(`the request has the key "${compiled}", which may change something`)
  }
  const { query = '', type = 'flux', dialect, now, params } = request
  if (typeof query !== 'string') return errorAnswer(400, 'the key "query" is not a string')
  if (type !== 'flux') return errorAnswer(400, `unknown query type: ${String(type).slice(0, 100)}`)
  const sent = jsonOf({ query, type, dialect, now, params })
  if (sent === undefined || sent.length > MAX_JSON_FACTOR * query.length + MAX_OPTIONS_LENGTH) {
    return errorAnswer(400, 'the keys beside "query" are too long or nested too deeply')
  }
  return { script: query, sent }
}

/** Undefined if it is nested too deeply for the runtime. */
function jsonOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value)
  } catch {
    return undefined
  }
}

/** A change that the relay cannot bring to all servers. Not 5xx: a client would send it again. */
export function notForOneServer(what: string): Answer {
  return errorAnswer(403, `${what}, which the relay cannot bring to all servers: send it to each`)
}
