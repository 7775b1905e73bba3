/** `/query`: statements that do not go to one complete server. */

import type { HttpConfig } from '../config/config.ts'
import { errorAnswer } from '../influxdb/answer.ts'
import { barrierOf } from '../influxdb/barrier.ts'
import { statementDestination } from '../influxdb/destination.ts'
import { toResponse } from '../influxdb/response.ts'
import type { Statement, StatementKind } from '../influxdb/statement.ts'
import { boundForm } from '../influxdb/statement-request.ts'
import { statementWrite } from '../influxdb/write.ts'
import type { Query, QueryRouter } from '../query/query-router.ts'
import { killedQueryOf, showQueries } from '../query/running-queries.ts'
import { type Relay, takesStatements } from '../relay/relay.ts'
import type { Clock } from '../runtime.ts'
import type { QueryRequest } from './query-request.ts'

/** The longest list of names for which a request is a barrier, as JSON: each server keeps one on disk. */
const MAX_BARRIER_LENGTH = 16 * 1024

/** A server sends each point to its subscribers: if all had a subscription, they would get each point from all. */
const SUBSCRIPTIONS: ReadonlySet<StatementKind> = new Set([
  ...(['CREATE SUBSCRIPTION', 'DROP SUBSCRIPTION', 'SHOW SUBSCRIPTIONS'] as const),
])

/** Statements that mean something else on each server. */
const OF_ONE_SERVER: ReadonlySet<StatementKind> = new Set([
  ...(['CREATE SUBSCRIPTION', 'DROP SUBSCRIPTION', 'DROP SHARD', 'KILL QUERY'] as const),
])

const NO_SHARD_NUMBERS = errorAnswer(
  400,
  'DROP SHARD is not relayed: each server numbers its shards differently. ' +
    'Use DELETE with a time range, or send DROP SHARD to each server with its own number',
)

/** The answer to statements that do not go to one complete server; undefined for any others. */
export type StatementHandler = (
  request: QueryRequest,
  statements: readonly Statement[],
  query: Query,
) => Promise<Response | undefined>

export function createStatementHandler(
  { backends }: Pick<HttpConfig, 'backends'>,
  relay: Relay,
  router: QueryRouter,
  clock: Clock,
): StatementHandler {
  const firstOutput = relay.backends.find(takesStatements)?.name ?? ''
  return async (request, statements, query) => {
    const kinds = statements.map(({ kind }) => kind)
    const [first] = kinds
    if (first && kinds.every((kind) => SUBSCRIPTIONS.has(kind))) {
      const answer = await router.answerFrom(firstOutput, query)
      // Another server knows no less than none.
      if (answer || statements.every(({ effect }) => effect === 'read')) return answer
      return toResponse(noAnswer(firstOutput))
    }
    if (kinds.length === 1 && first === 'SHOW QUERIES') {
      return toResponse(await showQueries(relay.backends.filter(takesStatements), query, clock))
    }
    if (kinds.includes('DROP SHARD')) return toResponse(NO_SHARD_NUMBERS)
    if (kinds.length === 1 && first === 'KILL QUERY') return killQuery(request.text, query)
    const own = kinds.find((kind) => OF_ONE_SERVER.has(kind))
    if (own) return toResponse(errorAnswer(400, `send ${own} in a request of its own`))
    if (statements.some(({ effect }) => effect === 'change')) return change(request, statements)
    return undefined
  }

  async function killQuery(text: string, query: Query): Promise<Response> {
    const { number, output } = killedQueryOf(text)
    if (number === undefined || output === undefined || !router.has(output)) {
      const names = backends.map(({ name }) => `"${name}"`).join(' or ')
      const message = `KILL QUERY needs the number of a query and an output, ON ${names}: SHOW QUERIES lists both`
      return toResponse(errorAnswer(400, message))
    }
    const q = encodeURIComponent(`KILL QUERY ${number}`)
    const asked = { ...query, form: new TextEncoder().encode(`q=${q}`) }
    return (await router.answerFrom(output, asked)) ?? toResponse(noAnswer(output))
  }

  async function change(
    request: QueryRequest,
    statements: readonly Statement[],
  ): Promise<Response> {
    if (relay.isFullOfStatements) {
      return toResponse(errorAnswer(503, 'too many statements wait for a server', '1'))
    }
    const barrier = barrierOf(statements, request.database)
    if (JSON.stringify(barrier).length > MAX_BARRIER_LENGTH) {
      const message = 'the request names too many databases and users: send its statements in parts'
      return toResponse(errorAnswer(400, message))
    }
    const form = boundForm(request.form, { now: clock.wallNanoseconds() }, request.parameters)
    const destination = statementDestination(barrier, request.search, request.authorization)
    const write = statementWrite(destination, new TextEncoder().encode(form))
    return toResponse(await relay.accept(write))
  }
}

const noAnswer = (output: string) => errorAnswer(503, `${output} does not answer now`, '1')
