/** What an InfluxDB server's answer to a request with statements that change something means. */

import { type Answer, messageOf } from './answer.ts'
import { type Statement, type StatementKind, statementsOf } from './statement.ts'
import type { Verdict } from './verdict.ts'

/** What is known of a request before it is answered. */
export interface Attempt {
  /** The text of its statements. */
  readonly text: string
  /** Whether an earlier attempt may have been executed: it got no answer. */
  readonly mayBeApplied: boolean
  /** Whether another server has executed it, so that its client was told that it is done. */
  readonly isAcknowledged: boolean
}

/** The error of one statement of an answer. */
export interface ResultError {
  /** Its position in the request. */
  readonly statement: number
  readonly message: string
}

/** Errors that the same server does not give later. */
const TEMPORARY =
  /timeout|timed out|max-concurrent-queries limit exceeded|engine is closed|shard is disabled|query interrupted|query killed|server shutting down|unable to open|connection refused|too many open files|no space left/i

/** What a statement names and the server does not have. */
const MISSING =
  /^(?:database|retention policy|user|measurement|continuous query|subscription|series|shard|shard group) (?:does not exist|not found)/i

const EXISTS = /already exists/i

/** Statements that are done if what they name is gone. */
const REMOVALS: ReadonlySet<StatementKind> = new Set([
  ...(['DELETE', 'DROP CONTINUOUS QUERY', 'DROP DATABASE', 'DROP MEASUREMENT'] as const),
  ...(['DROP RETENTION POLICY', 'DROP SERIES', 'DROP USER', 'REVOKE'] as const),
])

/**
 * influxd sends the status 200 before it executes a statement, so an error stands in the body.
 *
 * | error | verdict |
 * |---|---|
 * | of the moment: a timeout, a shard that is closed | `failed` |
 * | something is missing, for a statement that removes it, and another server has executed it or an earlier attempt got no answer | `stored` |
 * | something is missing, else | `unready` |
 * | something exists, and an earlier attempt got no answer | `stored` |
 * | any other | `rejected` |
 *
 * Of several statements the first error that is not done counts. influxd hides the error of a statement in the
 * midst of others as `not executed`, which counts as any other.
 */
export function statementVerdict(answer: Answer, attempt: Attempt): Verdict {
  const { status } = answer
  if (status === 204) return 'stored'
  if (status === 200) {
    let statements: readonly Statement[] | undefined
    for (const error of resultErrors(answer)) {
      statements ??= statementsOf(attempt.text, { database: '' })
      const verdict = resultVerdict(error.message, statements[error.statement]?.kind, attempt)
      if (verdict !== 'stored') return verdict
    }
    return 'stored'
  }
  if (status === 408 || status === 429 || status >= 500) return 'failed'
  if (status === 401 || status === 403 || status === 404) return 'unready'
  return status >= 400 ? 'rejected' : 'failed'
}

function resultVerdict(
  message: string,
  kind: StatementKind | undefined,
  { mayBeApplied, isAcknowledged }: Attempt,
): Verdict {
  if (TEMPORARY.test(message)) return 'failed'
  if (MISSING.test(message)) {
    const isRemoval = kind !== undefined && REMOVALS.has(kind)
    return isRemoval && (mayBeApplied || isAcknowledged) ? 'stored' : 'unready'
  }
  return EXISTS.test(message) && mayBeApplied ? 'stored' : 'rejected'
}

/** Whether a request that a server rejected has changed nothing there: its first statement has failed. */
export function changedNothing(answer: Answer): boolean {
  return answer.status !== 200 || resultErrors(answer)[0]?.statement === 0
}

/** The first error of an answer in the server's words, or its message if it has another status. */
export function errorOf(answer: Answer): string {
  return answer.status === 200 ? (resultErrors(answer)[0]?.message ?? '') : messageOf(answer)
}

/** The errors of statements in an answer in JSON, which may be in chunks: one JSON text a line. */
export function resultErrors({ body }: Answer): ResultError[] {
  const text = new TextDecoder().decode(body)
  if (!text.includes('"error"')) return []
  const whole = errorsIn(text)
  return whole ?? text.split('\n').flatMap((line) => errorsIn(line) ?? [])
}

function errorsIn(text: string): ResultError[] | undefined {
  try {
    const { results = [], error } = Object(JSON.parse(text))
    const errors = results.flatMap((result: { error?: unknown; statement_id?: number }) =>
      typeof result.error === 'string'
        ? [{ statement: result.statement_id ?? 0, message: result.error }]
        : [],
    )
    return typeof error === 'string' ? [{ statement: 0, message: error }, ...errors] : errors
  } catch {
    return undefined
  }
}
