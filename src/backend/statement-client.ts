/** Has one InfluxDB server execute statements that change something. */

import { type Failure, failure, type Outcome } from '../delivery/outcome.ts'
import type { QueuedWrite } from '../delivery/queued-write.ts'
import { type Answer, errorAnswer } from '../influxdb/answer.ts'
import { statementSearch } from '../influxdb/destination.ts'
import { readResult } from '../influxdb/response.ts'
import { errorOf, statementVerdict } from '../influxdb/result-error.ts'
import { type StatementRequest, statementRequestOf } from '../influxdb/statement-request.ts'
import type { Databases } from '../losses/shortage.ts'
import type { Clock } from '../runtime.ts'
import type { QueryClient } from './query-client.ts'
import { retryAfterMs } from './retry-after.ts'

/** Only an answer in JSON says what each statement has done. */
const HEADERS = { accept: 'application/json' }

const TOO_LONG = errorAnswer(
  500,
  'the statements are executed, but their answer is too long: send those that read by themselves',
)

export interface StatementClientOptions {
  /** The longest that the server may send nothing while it executes a statement. */
  readonly queryTimeoutMs: number
  /** Whether the server lacks points of some databases for good. */
  lacks(databases: Databases): boolean
}

export class StatementClient {
  private readonly queries: QueryClient
  private readonly clock: Clock
  private readonly options: StatementClientOptions

  constructor(queries: QueryClient, clock: Clock, options: StatementClientOptions) {
    this.queries = queries
    this.clock = clock
    this.options = options
  }

  /** Sends one request once. Never rejects. */
  async send({ write, mayBeApplied, tracker }: QueuedWrite, form: Uint8Array): Promise<Outcome> {
    const request = statementRequestOf(form)
    const isAcknowledged = tracker.ownership === 'relay'
    const { copied } = request
    if (copied.size > 0 && this.options.lacks(copied)) return copiesTooLittle(isAcknowledged)
    const controller = new AbortController()
    const { queryTimeoutMs } = this.options
    let isLate = false
    const stop = this.clock.after(queryTimeoutMs, () => {
      isLate = true
      controller.abort()
    })
    try {
      const { query, authorization } = write.destination
      const asked = { form, search: statementSearch(query), headers: HEADERS, authorization }
      const response = await this.queries.send(asked, controller.signal)
      const answer = await readResult(response)
      if (!answer) return { verdict: 'stored', answer: TOO_LONG }
      const { text } = request
      const verdict = statementVerdict(answer, { text, mayBeApplied, isAcknowledged })
      if (verdict === 'stored') return { verdict, answer }
      if (verdict === 'rejected' || verdict === 'too-large') return { verdict: 'rejected', answer }
      return {
        verdict,
        reason: reasonOf(answer, request),
        answer: answer.status < 300 || answer.status >= 400 ? answer : undefined,
        retryAfterMs: retryAfterMs(answer.retryAfter, () => this.wallMs()),
      }
    } catch (error) {
      if (isLate) return failure(`no answer within ${queryTimeoutMs} ms`)
      // A message may quote the URL, which can have credentials.
      return failure((error as { code?: string }).code ?? 'the connection has failed')
    } finally {
      stop()
    }
  }

  private wallMs(): number {
    return Number(this.clock.wallNanoseconds() / 1_000_000n)
  }
}

/**
 * A server that lacks points would copy too few. While its client waits, another server may be whole; after
 * that the gap ledger has what this one lacks: the copy, too.
 */
function copiesTooLittle(isAcknowledged: boolean): Outcome {
  const reason = 'SELECT INTO needs points that this server lacks: see the gap ledger'
  const answer = errorAnswer(503, reason)
  if (isAcknowledged) return { verdict: 'rejected', answer }
  const notNow: Failure = { verdict: 'unready', reason, answer, retryAfterMs: 0 }
  return notNow
}

/** For the log. A server's error may quote the statement. */
function reasonOf(answer: Answer, { hasPassword }: StatementRequest): string {
  const message = hasPassword
    ? 'the statement has a password, so the error is not shown'
    : errorOf(answer)
  return `${answer.status} ${message.slice(0, 200)}`.trim()
}
