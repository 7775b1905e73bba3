/** Requests beside `/query` that one server answers: remote reads of Prometheus, and Flux. */

import type { HttpConfig } from '../config/config.ts'
import type { Answer } from '../influxdb/answer.ts'
import { fromTokenAuthorization, userAuthorization } from '../influxdb/credentials.ts'
import { decoded, parameters, queryString, searchOf } from '../influxdb/query-string.ts'
import { toResponse } from '../influxdb/response.ts'
import type { Log } from '../observe/log.ts'
import type { QueryRouter } from '../query/query-router.ts'
import type { Runtime } from '../runtime.ts'
import { fluxRequest, type ReadRequest } from './flux-request.ts'
import { firstAuthorization, only } from './headers.ts'
import { createQueryAdmission } from './query-admission.ts'

/** Room in memory for the bodies of these requests, and the largest of them. */
const MAX_PENDING_BYTES = 16 * 1024 * 1024
const MAX_BODY_BYTES = 1024 * 1024

/** Headers of a client that say which answer it wants. */
const PASSED_ON = ['accept', 'accept-encoding', 'x-prometheus-remote-read-version']

/** The parameters of a request's URL, and its body. Returns the answer that refuses it, or what to ask. */
type Door = (
  found: ReadonlyMap<string, string>,
  body: Uint8Array,
  headers: Headers,
) => ReadRequest | Answer

export type ReadHandler = (request: Request) => Promise<Response>

export function createReadHandlers(
  config: HttpConfig,
  router: QueryRouter,
  runtime: Runtime,
  log: Log,
): { remoteRead: ReadHandler; flux: ReadHandler } {
  const bounds = { maxPendingBytes: MAX_PENDING_BYTES, maxBodyBytes: MAX_BODY_BYTES }
  const admit = createQueryAdmission(config, bounds, runtime, log)

  const handler = (door: Door, inflate: boolean) => (request: Request) =>
    admit(request, async ({ readBody, end }) => {
      const { headers, signal } = request
      const body = await readBody(inflate)
      const found = parameters(searchOf(request.url))
      const asked = door(found, body, headers)
      if ('status' in asked) {
        end()
        return toResponse(asked)
      }
      const { databases, endpoint, body: form } = asked
      const query = {
        ...{ endpoint, form, signal, isChunked: false },
        ...credentialsOf(found, headers),
        headers: { ...only(PASSED_ON, headers), ...asked.headers },
      }
      return router.answer(query, databases, end)
    })
  return { remoteRead: handler(remoteReadRequest, false), flux: handler(fluxRequest, true) }
}

/** A remote read of Prometheus. Its body is not looked into. */
function remoteReadRequest(found: ReadonlyMap<string, string>, body: Uint8Array): ReadRequest {
  const database = decoded(found.get('db') ?? '')
  return {
    endpoint: 'remote-read',
    body,
    headers: { 'content-type': 'application/x-protobuf', 'content-encoding': 'snappy' },
    databases: database === '' ? 'all' : new Set([database]),
  }
}

/** The query string without credentials, and the credentials. */
function credentialsOf(found: ReadonlyMap<string, string>, headers: Headers) {
  const rest = new Map(found)
  rest.delete('u')
  rest.delete('p')
  const user = found.get('u')
  const password = found.get('p')
  const authorization =
    user && password
      ? userAuthorization(decoded(user), decoded(password))
      : fromTokenAuthorization(firstAuthorization(headers.get('authorization')))
  return { search: queryString(rest), authorization }
}
