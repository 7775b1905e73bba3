/** `/query`: gives reads to one server, and refuses what changes something. */

import type { HttpConfig } from '../config/config.ts'
import { type Answer, errorAnswer } from '../influxdb/answer.ts'
import { searchOf } from '../influxdb/query-string.ts'
import { toResponse } from '../influxdb/response.ts'
import { type Statement, statementsOf } from '../influxdb/statement.ts'
import { Budget, Reservation } from '../limits/budget.ts'
import { coarseTimers } from '../limits/coarse-timers.ts'
import { Turns } from '../limits/turns.ts'
import type { Databases } from '../losses/shortage.ts'
import type { Log } from '../observe/log.ts'
import { RepeatedWarning } from '../observe/repeated-warning.ts'
import type { QueryRouter } from '../query/query-router.ts'
import type { Runtime } from '../runtime.ts'
import { firstAuthorization } from './headers.ts'
import { hasForm, readQueryRequest } from './query-request.ts'
import { BodyError, readBody } from './request-body.ts'

/** Room in memory for the forms of queries. */
const MAX_PENDING_BYTES = 32 * 1024 * 1024

/** influxd reads no longer form. */
const MAX_FORM_BYTES = 10 * 1024 * 1024

/** Headers of a client that say which answer it wants. */
const PASSED_ON = ['accept', 'accept-encoding'] as const

export function createQueryHandler(
  config: HttpConfig,
  router: QueryRouter,
  runtime: Runtime,
  log: Log,
): (request: Request) => Promise<Response> {
  const { clock, buffers, gunzip } = runtime
  const now = () => clock.now()
  const turns = new Turns(clock)
  const reading = { clock: { ...clock, now, after: coarseTimers(clock) }, buffers, gunzip, turns }
  const limits = { ...config, maxBodyBytes: Math.min(config.maxBodyBytes, MAX_FORM_BYTES) }
  const pending = new Budget(MAX_PENDING_BYTES)
  const announced = new Budget(MAX_PENDING_BYTES / 4)
  const refused = new RepeatedWarning(clock, log, 'query refused')
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
      const change = statements.find(({ effect }) => effect === 'change')
      if (change) {
        end()
        return toResponse(notForOneServer(change))
      }
      const passed: Record<string, string> = {}
      for (const name of PASSED_ON) {
        const value = headers.get(name)
        if (value !== null) passed[name] = value
      }
      const asked = { ...query, form, headers: passed, signal }
      return await router.answer(asked, databasesOf(statements), end)
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

/** Not 5xx: a client would send it again. Telegraf tries once to create a database, and then goes on. */
function notForOneServer({ kind }: Statement): Answer {
  const what =
    kind === 'unknown'
      ? 'this statement, which the relay does not know and which may change something,'
      : `${kind}, which changes something,`
  return errorAnswer(403, `the relay answers only queries that read: send ${what} to each server`)
}
