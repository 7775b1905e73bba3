/** A request to `/query` with statements that change something, as it waits in a queue. */

import type { BindingTimes } from './bind-times.ts'
import { bindTimes } from './bind-times.ts'
import { parameters, queryString, textOf } from './query-string.ts'
import { type Parameters, statementsOf } from './statement.ts'

export interface StatementRequest {
  readonly text: string
  /** The databases from which it copies points. */
  readonly copied: ReadonlySet<string>
  /** Whether it may hold a password. */
  readonly hasPassword: boolean
}

/** @param form of `boundForm` */
export function statementRequestOf(form: Uint8Array): StatementRequest {
  const found = parameters(new TextDecoder().decode(form))
  const text = textOf(found.get('q'))
  const context = {
    database: textOf(found.get('db')),
    parameters: parsed(textOf(found.get('params'))),
  }
  const copies = statementsOf(text, context).filter(({ kind }) => kind === 'SELECT INTO')
  return {
    text,
    copied: new Set(copies.flatMap(({ reads }) => reads)),
    hasPassword: /password/i.test(text),
  }
}

/**
 * The form for all servers: it means the same whenever each of them executes it.
 *
 * `async` is left out. With it a server would answer before it has executed anything.
 */
export function boundForm(form: string, times: BindingTimes, values: Parameters): string {
  const found = parameters(form)
  found.delete('async')
  const text = textOf(found.get('q'))
  const bound = bindTimes(text, times, values)
  if (bound !== text) found.set('q', encodeURIComponent(bound))
  return queryString(found)
}

/** A request's `params`; empty if they are missing or broken. */
export function parsed(json: string): Parameters {
  try {
    return Object(JSON.parse(json))
  } catch {
    return {}
  }
}
