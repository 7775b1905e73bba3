/** Statements for tests of the relay, and servers that execute them. */

import { barrierOf } from '../../src/influxdb/barrier.ts'
import { statementDestination } from '../../src/influxdb/destination.ts'
import { statementsOf } from '../../src/influxdb/statement.ts'
import { statementWrite, type Write } from '../../src/influxdb/write.ts'
import { type Handler, type Received, stored } from './fake-runtime.ts'

/** A request with statements, for the database `d` unless `search` says otherwise. */
export function statementOf(text: string, authorization?: string, search = 'db=d'): Write {
  const database = new URLSearchParams(search).get('db') ?? ''
  const barrier = barrierOf(statementsOf(text, { database }), database)
  const form = new TextEncoder().encode(`${search}&q=${encodeURIComponent(text)}`)
  return statementWrite(statementDestination(barrier, search, authorization), form)
}

/** The answer of a server that has executed a statement. */
export const executed = () => Response.json({ results: [{ statement_id: 0 }] })

/** The answer of a server that has not. */
export const resultError = (error: string) =>
  Response.json({ results: [{ statement_id: 0, error }] })

export const isStatement = ({ url }: Received) => new URL(url).pathname === '/query'

/** A server that takes every write, and answers statements so. */
export const answeringStatements =
  (answer: () => Response): Handler =>
  (request) =>
    isStatement(request) ? answer() : stored()

/** A server that takes every write and executes every statement. */
export const well = answeringStatements(executed)

/** What a server has received: statements by their text, writes by their lines. */
export function receivedBy(requests: readonly Received[] | undefined): string[] {
  return (requests ?? []).map((request) =>
    isStatement(request) ? (new URLSearchParams(request.body).get('q') ?? '') : request.body,
  )
}
