/** `/query`: gives reads to one server, and what changes something to all. */

import type { HttpConfig } from '../config/config.ts'
import { searchOf } from '../influxdb/query-string.ts'
import { type Statement, statementsOf } from '../influxdb/statement.ts'
import { Reservation } from '../limits/budget.ts'
import type { Databases } from '../losses/shortage.ts'
import type { Log } from '../observe/log.ts'
import { RepeatedWarning } from '../observe/repeated-warning.ts'
import type { QueryRouter } from '../query/query-router.ts'
import type { Relay } from '../relay/relay.ts'
import type { Runtime } from '../runtime.ts'
import { firstAuthorization } from './headers.ts'
import { hasForm, readQueryRequest } from './query-request.ts'
import { BodyError, createBodyReading, readBody } from './request-body.ts'
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
  const { reading, pending, announced } = createBodyReading(runtime, MAX_PENDING_BYTES)
  const limits = { ...config, maxBodyBytes: Math.min(config.maxBodyBytes, MAX_FORM_BYTES) }
  const refused = new RepeatedWarning(clock, log, 'query refused')
  const answerStatements = createStatementHandler(config, relay, router, clock)
  let requests = 0

  return async (request) => {
    const reservation = new Reservation(pending)
    let isOpen = true
    const end = () => {
      if (isOpen) requests--
      isOpen = false
    }
    requests++
    try {
      if (requests > config.maxConnections)
        throw new BodyError(503, 'too many queries', { retryAfter: '1' })
      const { headers, signal } = request
      const body = hasForm(request)
        ? await readBody(request, limits, reservation, announced, reading)
        : undefined
      const authorization = firstAuthorization(headers.get('authorization'))
      const search = searchOf(request.url)
      const query = readQueryRequest(search, body, headers, authorization)
      if (body) buffers.give(body)
      const form = new TextEncoder().encode(query.form)
      if (form.length > MAX_FORM_BYTES) throw new BodyError(413, 'Request Entity Too Large')
      const statements = statementsOf(query.text, query)
      const passed: Record<string, string> = {}
      for (const name of PASSED_ON) {
        const value = headers.get(name)
        if (value !== null) passed[name] = value
      }
      const asked = { ...query, form, headers: passed, signal }
      const response = await answerStatements(query, statements, asked)
      if (!response) return await router.answer(asked, databasesOf(statements), end)
      end()
      return response
    } catch (error) {
      end()
      if (!(error instanceof BodyError)) throw error
      refused.report({ status: error.answer.status, reason: error.message })
      return error.toResponse()
    } finally {
      reservation.giveBack()
    }
  }
}

/** The databases that statements read. A statement about a whole server reads all. */
function databasesOf(statements: readonly Statement[]): Databases {
  if (statements.some(({ isServerWide }) => isServerWide)) return 'all'
  return new Set(statements.flatMap(({ reads }) => reads))
}
