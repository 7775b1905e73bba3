/** Sends bodies to the write endpoint of one InfluxDB server. */

import { type Failure, failure, type Outcome } from '../delivery/outcome.ts'
import { type Answer, messageOf } from '../influxdb/answer.ts'
import type { Destination } from '../influxdb/destination.ts'
import { readAnswer } from '../influxdb/response.ts'
import { verdictOf } from '../influxdb/verdict.ts'
import type { Fetch, Runtime } from '../runtime.ts'

export interface ClientOptions {
  /** The full URL of the write endpoint, without credentials and query. */
  readonly writeUrl: string
  /** The Authorization header to send in place of the clients'. */
  readonly authorization: string | undefined
  readonly timeoutMs: number
  readonly gzip: boolean
  readonly ca: string | undefined
  readonly skipTlsVerification: boolean
}

export class BackendClient {
  private readonly options: ClientOptions
  private readonly runtime: Runtime
  private readonly fetch: Fetch
  /** Unaborted controllers, to be used again. A new one with its listener takes Node.js 20 µs. */
  private readonly unused: AbortController[] = []

  constructor(options: ClientOptions, runtime: Runtime) {
    this.options = options
    this.runtime = runtime
    this.fetch = runtime.createFetch(options)
  }

  /** Sends one body once. Never rejects. */
  async send(destination: Destination, body: Uint8Array): Promise<Outcome> {
    const { timeoutMs } = this.options
    const controller = this.unused.pop() ?? new AbortController()
    const cancel = this.runtime.clock.after(timeoutMs, () => controller.abort())
    try {
      const response = await this.post(destination, body, controller.signal)
      const answer = await readAnswer(response)
      const verdict = verdictOf(answer, body)
      if (verdict === 'stored') return { verdict }
      if (verdict === 'rejected' || verdict === 'too-large') return { verdict, answer }
      return {
        verdict,
        reason: `${answer.status} ${messageOf(answer)}`.trim(),
        answer: isForClients(answer) ? answer : undefined,
        retryAfterMs: secondsToMs(answer.retryAfter),
      }
    } catch (error) {
      return controller.signal.aborted ? timedOut(timeoutMs) : failure(reasonOf(error))
    } finally {
      cancel()
      if (!controller.signal.aborted) this.unused.push(controller)
    }
  }

  private async post(
    destination: Destination,
    body: Uint8Array,
    signal: AbortSignal,
  ): Promise<Response> {
    const headers: Record<string, string> = { 'content-type': 'text/plain; charset=utf-8' }
    const authorization = this.options.authorization ?? destination.authorization
    if (authorization !== undefined) headers.authorization = authorization
    if (this.options.gzip) headers['content-encoding'] = 'gzip'
    const sent = this.options.gzip ? await this.runtime.gzip(body) : body
    const url = `${this.options.writeUrl}?${destination.query}`
    return this.fetch(url, { method: 'POST', headers, body: sent, signal })
  }
}

/**
 * Whether a client may see the answer. Not a redirect: a client that follows it bypasses the relay. Not a
 * 429: Telegraf drops its batch for it, and keeps it for the relay's own 503.
 */
function isForClients({ status }: Answer): boolean {
  return status >= 400 && status < 600 && status !== 429
}

function timedOut(timeoutMs: number): Failure {
  return failure(`no answer within ${timeoutMs} ms`)
}

/** A network error in the words of the runtime: they name an address, but no credentials. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { code } = error as { code?: unknown }
  return typeof code === 'string' && !error.message.includes(code)
    ? `${code}: ${error.message}`
    : error.message
}

/** Retry-After in seconds. The other form, an HTTP date, is ignored: the backoff does as well. */
function secondsToMs(retryAfter: string | undefined): number {
  return /^\d{1,5}$/.test(retryAfter ?? '') ? Number(retryAfter) * 1000 : 0
}
