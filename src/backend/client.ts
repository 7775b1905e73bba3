/** Sends bodies to the write endpoint of one InfluxDB server. */

import { type Failure, failure, type Outcome } from '../delivery/outcome.ts'
import { type Answer, summaryOf } from '../influxdb/answer.ts'
import { credentialParameters, withoutPassword } from '../influxdb/credentials.ts'
import { readAnswer } from '../influxdb/response.ts'
import { asV1Answer, type V2Options, v2Body, v2Query } from '../influxdb/v2.ts'
import { verdictOf } from '../influxdb/verdict.ts'
import type { Write, WriteKind } from '../influxdb/write.ts'
import type { Fetch, Runtime } from '../runtime.ts'
import { retryAfterMs } from './retry-after.ts'

export interface ClientOptions {
  /** The full URL of the write endpoint, without credentials and query. */
  readonly writeUrl: string
  /** The same of the endpoint for remote writes of Prometheus; undefined if the server has none. */
  readonly remoteWriteUrl: string | undefined
  /** Of a server that takes writes as InfluxDB 2.x does; undefined for 1.x. */
  readonly v2?: V2Options | undefined
  /** The Authorization header to send in place of the clients'. */
  readonly authorization: string | undefined
  readonly timeoutMs: number
  readonly gzip: boolean
  readonly ca: string | undefined
  readonly skipTlsVerification: boolean
}

const LINE_PROTOCOL = { 'content-type': 'text/plain; charset=utf-8' }

/** What Prometheus sends with a remote write. */
const REMOTE_WRITE = {
  'content-type': 'application/x-protobuf',
  'content-encoding': 'snappy',
  'x-prometheus-remote-write-version': '0.1.0',
}

export class BackendClient {
  private readonly options: ClientOptions
  private readonly runtime: Runtime
  private readonly fetch: Fetch
  /** Controllers of requests that are over, to be used again. A new one with its listener takes Node.js 20 µs. */
  private readonly unused: AbortController[] = []

  constructor(options: ClientOptions, runtime: Runtime) {
    this.options = options
    this.runtime = runtime
    this.fetch = runtime.createFetch(options)
  }

  /** Sends one body once. Never rejects. */
  async send(
    { kind, destination }: Pick<Write, 'kind' | 'destination'>,
    body: Uint8Array,
  ): Promise<Outcome> {
    const { timeoutMs, v2 } = this.options
    const authorization = this.options.authorization ?? destination.authorization
    const parameters = authorization && credentialParameters(authorization)
    const query = v2 ? v2Query(v2, destination) : destination.query
    const sent = v2 ? v2Body(body, destination) : body
    const controller = this.unused.pop() ?? new AbortController()
    const cancel = this.runtime.clock.after(timeoutMs, () => controller.abort())
    try {
      const response = await (parameters
        ? this.post(kind, `${query}&${parameters}`, undefined, sent, controller.signal)
        : this.post(kind, query, authorization, sent, controller.signal))
      const given = await readAnswer(response)
      const answer = v2 ? asV1Answer(given, authorization) : withoutSecret(given, parameters)
      const verdict = verdictOf(answer, body)
      if (verdict === 'stored') {
        // After any other answer the request may not be over, and its listener still there.
        this.unused.push(controller)
        return { verdict }
      }
      if (verdict === 'rejected' || verdict === 'too-large') return { verdict, answer }
      return {
        verdict,
        reason: `${answer.status} ${summaryOf(answer)}`.trim(),
        answer: isForClients(answer) ? answer : undefined,
        retryAfterMs: retryAfterMs(answer.retryAfter, () => this.wallMs()),
      }
    } catch (error) {
      if (controller.signal.aborted) return timedOut(timeoutMs)
      const reason = reasonOf(error)
      return failure(parameters ? withoutPassword(reason, parameters) : reason)
    } finally {
      cancel()
    }
  }

  private wallMs(): number {
    return Number(this.runtime.clock.wallNanoseconds() / 1_000_000n)
  }

  private async post(
    kind: WriteKind,
    query: string,
    authorization: string | undefined,
    body: Uint8Array,
    signal: AbortSignal,
  ): Promise<Response> {
    const { gzip } = this.options
    const isRemoteWrite = kind === 'remote-write'
    const url = isRemoteWrite ? this.options.remoteWriteUrl : this.options.writeUrl
    if (url === undefined) throw new Error('the server takes no remote writes of Prometheus')
    const headers: Record<string, string> = { ...(isRemoteWrite ? REMOTE_WRITE : LINE_PROTOCOL) }
    if (authorization !== undefined) headers.authorization = authorization
    const isGzipped = gzip && !isRemoteWrite
    if (isGzipped) headers['content-encoding'] = 'gzip'
    const sent = isGzipped ? await this.runtime.gzip(body) : body
    return this.fetch(`${url}?${query}`, {
      method: 'POST',
      headers,
      body: sent,
      signal,
    })
  }
}

/** The answer of a server that quotes the URL of a request, without the password in it. */
function withoutSecret(answer: Answer, parameters: string | undefined): Answer {
  if (!parameters || answer.status === 204) return answer
  const body = withoutPassword(new TextDecoder().decode(answer.body), parameters)
  const error = answer.error && withoutPassword(answer.error, parameters)
  return { ...answer, error, body: new TextEncoder().encode(body) }
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
