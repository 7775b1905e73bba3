/** Another relay in front of the same servers: what it says of them, now and when it last answered. */

import { readAnswer } from '../influxdb/response.ts'
import type { Databases } from '../losses/shortage.ts'
import type { Log } from '../observe/log.ts'
import type { Fetch, Runtime } from '../runtime.ts'
import { type OutputReport, parseReport, type Report } from './report.ts'

export interface PeerOptions {
  /** The URL of its [[http]] block, without a slash at the end. */
  readonly url: string
  /** The certificates to trust, in PEM; undefined for the system's. */
  readonly ca: string | undefined
}

/** The longest that a peer may take to answer a query's question, beside what it was asked to wait. */
const ANSWER_MS = 250

/** The longest that a peer may take to say what it keeps. */
const KEPT_MS = 500

/**
 * The longest that a client waits for a peer to learn that something is kept. It may have to time out on an older
 * question of its own first.
 */
const TELL_MS = 1500

/** A query about more databases than this asks about all. So does one whose names make a long URL. */
const MAX_DATABASES = 100
const MAX_DATABASES_LENGTH = 4000

export class Peer {
  readonly name: string
  private readonly runtime: Pick<Runtime, 'clock'>
  private readonly url: string
  private readonly ownId: string
  private readonly log: Log
  private readonly fetch: Fetch
  /** What it kept when it last said so. It counts until the peer says otherwise. */
  private kept: Report | undefined
  /** Whether it did not answer. Then queries do not ask it until it answers again. */
  private isSilent = false
  /** Whether it could not be told something. Then no client waits for it until it answers again. */
  private isDeaf = false
  private running: Promise<Report | undefined> = Promise.resolve(undefined)
  private queued: Promise<Report | undefined> | undefined
  /** Outputs that it does not have. */
  private readonly missing = new Set<string>()

  /** @param ownId the `relay` of this relay's own reports */
  constructor(
    { url, ca }: PeerOptions,
    ownId: string,
    runtime: Pick<Runtime, 'clock' | 'createFetch'>,
    log: Log,
  ) {
    this.name = new URL(url).host
    this.url = url
    this.ownId = ownId
    this.runtime = runtime
    this.log = log.with({ peer: this.name })
    this.fetch = runtime.createFetch({ ca, skipTlsVerification: false })
  }

  /** Whether it is this relay itself: all relays can have the same list of peers. */
  get isSelf(): boolean {
    return this.kept?.relay === this.ownId
  }

  /** What it kept for an output when it last said so; undefined if it never did, or has no such output. */
  lastKept(output: string): OutputReport | undefined {
    const found = this.kept?.outputs.find((one) => one.output === output)
    if (this.kept && !found) this.misses(output)
    return found
  }

  /**
   * What it has yet to deliver to outputs of all that it has acknowledged until now. Undefined if it does not
   * answer.
   *
   * @param waitMs how long it shall wait until one of the outputs is complete
   */
  async ask(
    databases: Databases,
    outputs: readonly string[],
    waitMs: number,
  ): Promise<Report | undefined> {
    if (this.isSilent) return undefined
    const names = outputs.map((name) => `&output=${encodeURIComponent(name)}`).join('')
    const query = `${databasesQuery(databases)}${names}&wait=${Math.floor(waitMs)}`
    const report = await this.get(`/peer/behind?${query}`, waitMs + ANSWER_MS)
    for (const name of report ? outputs : []) {
      if (!report?.outputs.some(({ output }) => output === name)) this.misses(name)
    }
    return report
  }

  /**
   * Asks what it keeps. The answer is from after this call: if the question is already on its way, it is asked
   * again.
   */
  refresh(): Promise<Report | undefined> {
    this.queued ??= this.running.then(() => {
      this.queued = undefined
      this.running = this.askKept()
      return this.running
    })
    return this.queued
  }

  /** Tells it that this relay keeps something. Resolves when it knows, or cannot be told. */
  async tell(): Promise<void> {
    if (this.isSelf) return
    const telling = this.request('POST', `/peer/kept?relay=${this.ownId}`, TELL_MS).catch(
      (error: Error) => {
        this.isDeaf = true
        this.failed(error.message)
      },
    )
    if (!this.isDeaf) await telling
  }

  private async askKept(): Promise<Report | undefined> {
    const report = await this.get('/peer/kept', KEPT_MS)
    if (report) this.kept = report
    return report
  }

  private async get(path: string, timeoutMs: number): Promise<Report | undefined> {
    try {
      const report = parseReport(await this.request('GET', path, timeoutMs))
      if (this.isSilent) this.log.info('peer answers again')
      this.isSilent = false
      this.isDeaf = false
      return report
    } catch (error) {
      this.failed((error as Error).message)
      return undefined
    }
  }

  private async request(method: string, path: string, timeoutMs: number): Promise<string> {
    const controller = new AbortController()
    const stop = this.runtime.clock.after(timeoutMs, () => controller.abort())
    try {
      const { signal } = controller
      const response = await this.fetch(this.url + path, { method, headers: {}, signal })
      const { status, body } = await readAnswer(response)
      if (status !== 200 && status !== 204) throw new Error(`it answered ${status}`)
      return new TextDecoder().decode(body)
    } catch (error) {
      throw controller.signal.aborted ? new Error(`no answer within ${timeoutMs} ms`) : error
    } finally {
      stop()
    }
  }

  private failed(reason: string): void {
    if (!this.isSilent) this.log.warn('peer does not answer', { reason })
    this.isSilent = true
  }

  private misses(output: string): void {
    if (this.missing.has(output)) return
    this.missing.add(output)
    const hint = 'give the outputs for one server the same name on all relays'
    this.log.warn('peer has no such output', { output, hint })
  }
}

function databasesQuery(databases: Databases): string {
  if (databases === 'all' || databases.size > MAX_DATABASES) return 'all=true'
  const query = [...databases].map((name) => `db=${encodeURIComponent(name)}`).join('&')
  return query.length > MAX_DATABASES_LENGTH ? 'all=true' : query
}
