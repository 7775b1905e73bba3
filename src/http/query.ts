/** `/query`: gives reads to one server, and what changes something to all. */

import type { HttpConfig } from '../config/config.ts'
import { searchOf } from '../influxdb/query-string.ts'
import { type Statement, statementsOf } from '../influxdb/statement.ts'
import type { Databases } from '../losses/shortage.ts'
import type { Log } from '../observe/log.ts'
import type { QueryRouter } from '../query/query-router.ts'
import type { Relay } from '../relay/relay.ts'
import type { Runtime } from '../runtime.ts'
import { firstAuthorization, only } from './headers.ts'
import { createQueryAdmission } from './query-admission.ts'
import { hasForm, readQueryRequest } from './query-request.ts'
import { BodyError } from './request-body.ts'
import { createStatementHandler } from './statements.ts'

/** Room in memory for the forms of queries. */
const MAX_PENDING_BYTES = 32 * 1024 * 1024

/** influxd reads no longer form. */
const MAX_FORM_BYTES = 10 * 1024 * 1024

/** Headers of a client that say which answer it wants. */
const PASSED_ON = ['accept', 'accept-encoding'] as const

export function createQueryHandler(
  config: HttpConfig,
  relay: Relay,
  router: QueryRouter,
  runtime: Runtime,
  log: Log,
): (request: Request) => Promise<Response> {
  const { clock, buffers } = runtime
  const bounds = { maxPendingBytes: MAX_PENDING_BYTES, maxBodyBytes: MAX_FORM_BYTES }
  const admit = createQueryAdmission(config, bounds, runtime, log)
  const answerStatements = createStatementHandler(config, relay, router, clock)

  return (request) =>
    admit(request, async ({ readBody, end }) => {
      const { headers, signal } = request
      const body = hasForm(request) ? await readBody() : undefined
      const authorization = firstAuthorization(headers.get('authorization'))
      const query = readQueryRequest(searchOf(request.url), body, headers, authorization)
      if (body) buffers.give(body)
      const form = new TextEncoder().encode(query.form)
      if (form.length > MAX_FORM_BYTES) throw new BodyError(413, 'Request Entity Too Large')
      const statements = statementsOf(query.text, query)
      const asked = { ...query, form, headers: only(PASSED_ON, headers), signal }
      const response = await answerStatements(query, statements, asked)
      if (!response) return router.answer(asked, databasesOf(statements), end)
      end()
      return response
    })
}

/** The databases that statements read. A statement about a whole server reads all. */
function databasesOf(statements: readonly Statement[]): Databases {
  if (statements.some(({ isServerWide }) => isServerWide)) return 'all'
  return new Set(statements.flatMap(({ reads }) => reads))
}
