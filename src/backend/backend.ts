/** One output: where it is, how to talk to it, and what its answers mean. */

import type { Store, StoredLane, WhenFull } from '../delivery/lane-store.ts'
import { type Failure, failure, isFailure, type Outcome } from '../delivery/outcome.ts'
import { Queue } from '../delivery/queue.ts'
import { ENTRY_OVERHEAD_BYTES } from '../delivery/queued-write.ts'
import { type Answer, messageOf } from '../influxdb/answer.ts'
import type { Destination } from '../influxdb/destination.ts'
import { readAnswer } from '../influxdb/response.ts'
import { verdictOf } from '../influxdb/verdict.ts'
import { Budget } from '../limits/budget.ts'
import { Losses } from '../losses/losses.ts'
import type { Log } from '../observe/log.ts'
import { RepeatedWarning } from '../observe/repeated-warning.ts'
import type { Fetch, Runtime } from '../runtime.ts'
import { OutageLog } from './outage-log.ts'

export interface BackendOptions {
  readonly name: string
  /** The full URL of the write endpoint, without credentials and query. */
  readonly writeUrl: string
  /** Authorization to use in place of the clients'. */
  readonly authorization: string | undefined
  readonly timeoutMs: number
  /** 0 for no buffer. */
  readonly bufferBytes: number
  readonly maxBatchBytes: number
  readonly maxDelayMs: number
  readonly maxInFlight: number
  /** Bytes a second from its buffer on disk, 0 for no limit. */
  readonly replayRate: number
  /** Room for writes that the backend has not answered yet. */
  readonly pendingBytes: number
  /** Where its buffer is on disk; undefined for memory. */
  readonly folder: string | undefined
  readonly whenFull: WhenFull
  readonly maxAgeMs: number | undefined
  readonly gzip: boolean
  readonly ca: string | undefined
  readonly skipTlsVerification: boolean
}

/** What a backend has on disk, and what it may write there. */
export interface BackendDisk {
  readonly store: Store | undefined
  readonly lanes: readonly StoredLane[]
  readonly losses: Losses
}

export class Backend {
  readonly name: string
  readonly queue: Queue
  private readonly options: BackendOptions
  private readonly runtime: Runtime
  private readonly fetch: Fetch
  private readonly log: Log
  private readonly health: OutageLog
  private readonly losses: Losses
  private readonly diskFaults: RepeatedWarning
  private readonly store: Store | undefined

  /** @param disk undefined to use none */
  constructor(options: BackendOptions, runtime: Runtime, log: Log, disk?: BackendDisk) {
    const { clock } = runtime
    this.name = options.name
    this.options = options
    this.runtime = runtime
    this.fetch = runtime.createFetch(options)
    this.log = log.with({ backend: options.name })
    this.health = new OutageLog(clock, this.log)
    this.losses = disk?.losses ?? new Losses(options.name, clock, this.log, undefined)
    this.diskFaults = new RepeatedWarning(clock, this.log, 'disk failed')
    this.store = disk?.store
    this.queue = new Queue(
      {
        ...options,
        clock,
        buffers: runtime.buffers,
        buffer: this.store ? undefined : memoryOf(options),
      },
      {
        send: (destination, body) => this.send(destination, body),
        lost: (write, reason) => this.losses.lost(write, reason),
        refused: (write, answer) => this.losses.refused(write, answer),
        lossesSettled: () => this.losses.settled(),
        diskFailed: (error) => this.diskFaults.report({ reason: error.message }),
      },
      this.store,
      disk?.lanes ?? [],
    )
  }

  /**
   * Logs what is held back or left, has the records of losses on disk, and closes files. What is on disk is
   * sent after the next start.
   */
  async close(): Promise<void> {
    await this.losses.close()
    for (const warning of [this.health, this.diskFaults]) warning.flush()
    if (!this.queue.isEmpty) {
      const bytes = this.queue.bytes
      if (this.store) this.log.info('undelivered points are kept on disk', { bytes })
      else this.log.error('undelivered points are lost', { bytes })
    }
    await this.store?.close()
  }

  private async send(destination: Destination, body: Uint8Array): Promise<Outcome> {
    const outcome = await this.attempt(destination, body)
    const failed = isFailure(outcome)
    // What was answered just now is still in the queue.
    const undelivered = this.queue.bytes - (failed ? 0 : body.length)
    const fields = { ...target(destination), undelivered_bytes: Math.max(0, undelivered) }
    if (failed) this.health.failed(destination.lane, outcome, fields)
    else this.health.succeeded(destination.lane, fields)
    return outcome
  }

  private async attempt(destination: Destination, body: Uint8Array): Promise<Outcome> {
    const { clock } = this.runtime
    const { timeoutMs } = this.options
    const controller = new AbortController()
    const cancel = clock.after(timeoutMs, () => controller.abort())
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

function memoryOf({ bufferBytes }: BackendOptions): Budget | undefined {
  return bufferBytes > 0 ? new Budget(bufferBytes, ENTRY_OVERHEAD_BYTES) : undefined
}

/**
 * Not a redirect: a client that followed it would leave the relay behind. Not a 429 either, for which
 * Telegraf drops what it has sent; the relay's own 503 says the same and keeps it.
 */
function isForClients({ status }: Answer): boolean {
  return status >= 400 && status !== 429
}

function timedOut(timeoutMs: number): Failure {
  return failure(`no answer within ${timeoutMs} ms`)
}

/** An error of the network, in the words of the runtime: they name an address but no credentials. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { code } = error as { code?: unknown }
  return typeof code === 'string' && !error.message.includes(code)
    ? `${code}: ${error.message}`
    : error.message
}

/** Retry-After in its usual form, seconds. An HTTP date counts as none: the backoff serves as well. */
function secondsToMs(retryAfter: string | undefined): number {
  return /^\d{1,5}$/.test(retryAfter ?? '') ? Number(retryAfter) * 1000 : 0
}

function target(destination: Destination) {
  return {
    db: destination.database,
    rp: destination.retentionPolicy === '' ? undefined : destination.retentionPolicy,
  }
}
