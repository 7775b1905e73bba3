/** The parameters of a request to `/query`, as influxd reads them. */

import { userAuthorization } from '../influxdb/credentials.ts'
import { decoded, parameters, queryString, textOf } from '../influxdb/query-string.ts'
import { parsed } from '../influxdb/statement-request.ts'
import { parseMultipart } from './multipart.ts'

/** Parameters, percent-encoded. */
type Parameters = ReadonlyMap<string, string>

export interface QueryRequest {
  /** The text of the statements; empty if there is none. */
  readonly text: string
  /** The parameter `db`; empty if there is none. */
  readonly database: string
  /** The parameter `params`, parsed; empty if it is missing or broken. */
  readonly parameters: Readonly<Record<string, unknown>>
  readonly isChunked: boolean
  /** The same request, without credentials: a server reads exactly what was read here. */
  readonly form: string
  /** For the URL: influxd reads `pretty` from nowhere else. */
  readonly search: string
  readonly authorization: string | undefined
}

const FORM = 'application/x-www-form-urlencoded'
const MULTIPART = 'multipart/form-data'

/** Whether the body of a request has parameters. influxd ignores any other body. */
export function hasForm({ method, headers }: Request): boolean {
  const type = mediaTypeOf(headers)
  return method === 'POST' && (type === FORM || type === MULTIPART)
}

/**
 * @param search the query string of the URL
 * @param body of a request with a form, else undefined
 * @param authorization the first Authorization header
 */
export function readQueryRequest(
  search: string,
  body: Uint8Array | undefined,
  headers: Headers,
  authorization: string | undefined,
): QueryRequest {
  const fromUrl = parameters(search)
  let found: Parameters = fromUrl
  if (body && mediaTypeOf(headers) === FORM) {
    found = new Map([...fromUrl, ...parameters(new TextDecoder().decode(body))])
  } else if (body) {
    found = new Map([...multipart(body, headers, fromUrl), ...fromUrl])
  }
  const user = fromUrl.get('u')
  const password = fromUrl.get('p')
  return {
    text: textOf(found.get('q')),
    database: textOf(found.get('db')),
    parameters: parsed(textOf(found.get('params'))),
    isChunked: found.get('chunked') === 'true',
    form: queryString(without(found, 'u', 'p')),
    search: queryString(without(fromUrl, 'u', 'p', 'q', 'params')),
    authorization:
      user && password ? userAuthorization(decoded(user), decoded(password)) : authorization,
  }
}

function without(parameters: Parameters, ...names: readonly string[]): Map<string, string> {
  return new Map([...parameters].filter(([name]) => !names.includes(name)))
}

/** The fields of a multipart form, and its file `q` if no field `q` has a text. */
function multipart(body: Uint8Array, headers: Headers, fromUrl: Parameters): Map<string, string> {
  const fields = parseMultipart(body, headers.get('content-type') ?? '')
  const found = new Map<string, string>()
  for (const { name, isFile, value } of fields) {
    const key = encodeURIComponent(name)
    if (!isFile && !found.has(key)) found.set(key, encoded(value))
  }
  const file = fields.find(({ name, isFile }) => isFile && name === 'q')
  const given = textOf(fromUrl.get('q') ?? found.get('q'))
  if (file && given.trim() === '') found.set('q', encoded(file.value))
  return found
}

/** Bytes as a parameter, percent-encoded. Bytes that are not UTF-8 are kept. */
function encoded(bytes: Uint8Array): string {
  try {
    return encodeURIComponent(
      new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes),
    )
  } catch {
    return Array.from(bytes, (byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')
  }
}

function mediaTypeOf(headers: Headers): string {
  return (headers.get('content-type') ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? ''
}
