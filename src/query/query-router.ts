/** Answers each query from one server that has everything that was acknowledged before the query came. */

import type { Backend } from '../backend/backend.ts'
import { errorAnswer } from '../influxdb/answer.ts'
import { toResponse as ownResponse } from '../influxdb/response.ts'
import { coarseTimers } from '../limits/coarse-timers.ts'
import type { Databases } from '../losses/shortage.ts'
import type { Log } from '../observe/log.ts'
import { RepeatedWarning } from '../observe/repeated-warning.ts'
import type { Peers } from '../peers/peers.ts'
import { type Behind, JointReading } from '../peers/reading.ts'
import type { OutputReport } from '../peers/report.ts'
import type { Clock, Runtime } from '../runtime.ts'
import { toResponse } from './answer.ts'
import { anyComplete, type Candidate, choose, MAX_WAIT_MS } from './choose.ts'
import { type Answered, ask, type ExchangeRuntime, type Query } from './exchange.ts'
import { ReadServer } from './read-server.ts'
import { describeBehind, timeOf } from './reading.ts'

export type { Query } from './exchange.ts'

/** The header that says what the server that has answered lacks. */
const BEHIND_HEADER = 'x-relay-behind'

export interface QueryRouterOptions {
  /** The longest that a client may take nothing of an answer that is ready. */
  readonly idleTimeoutMs: number
}

interface Chosen {
  readonly server: ReadServer
  /** What the server lacked when it was asked; undefined for nothing. */
  readonly behind: Behind | undefined
  readonly answer: Answered
}

export class QueryRouter {
  private readonly runtime: ExchangeRuntime
  private readonly clock: Clock
  private readonly options: QueryRouterOptions
  private readonly servers: readonly ReadServer[]
  private readonly peers: Peers | undefined
  private readonly failures: RepeatedWarning
  private readonly late: RepeatedWarning
  private readonly cuts: RepeatedWarning

  /**
   * @param outputsOf all outputs of this process that write to the same server as a backend
   * @param peers other relays in front of the same servers
   */
  constructor(
    backends: readonly Backend[],
    outputsOf: (backend: Backend) => readonly Backend[],
    options: QueryRouterOptions,
    { clock, gunzip }: Pick<Runtime, 'clock' | 'gunzip'>,
    log: Log,
    peers?: Peers,
  ) {
    this.clock = clock
    this.peers = peers
    this.options = options
    this.runtime = { gunzip, clock, timer: coarseTimers(clock) }
    this.servers = backends.map((backend) => new ReadServer(backend, outputsOf(backend), clock))
    this.failures = new RepeatedWarning(clock, log, 'server did not answer a query')
    this.late = new RepeatedWarning(clock, log, 'query answered by a server that is behind')
    this.cuts = new RepeatedWarning(clock, log, 'answer to a query was cut short')
  }

  /**
   * The answer of the best server. Servers are asked in turn until one answers; none is asked once a byte of an
   * answer has gone to the client. Never rejects.
   *
   * @param onEnd called once, when the answer was sent or was cut short
   */
  async answer(query: Query, databases: Databases, onEnd: () => void): Promise<Response> {
    const { clock } = this
    const deadline = clock.now() + MAX_WAIT_MS
    const readable = this.servers.filter(({ backend }) => backend.options.isRead)
    let candidates = await this.read(readable, databases, deadline)
    /** An answer with an error, for the client if no server has a better one. */
    let second: Chosen | undefined
    while (candidates.length > 0 && !query.signal.aborted) {
      const chosen = await choose(candidates, deadline, clock)
      // Before it is asked: what it applies meanwhile may not be in its answer.
      const behind = chosen.reading.isComplete ? undefined : chosen.reading.behind
      const result = await ask(chosen.server, query, this.runtime)
      if ('response' in result) {
        chosen.server.succeeded()
        second?.answer.cancel()
        return this.respond({ server: chosen.server, behind, answer: result }, query, onEnd)
      }
      candidates = candidates.filter((candidate) => candidate !== chosen)
      const { reason, answer } = result
      if (second) answer?.cancel()
      else if (answer) second = { server: chosen.server, behind, answer }
      if (query.signal.aborted) break
      // influxd answers 500 for any mistake in a Flux script.
      const isFault = query.endpoint !== 'flux' && (answer?.response.status ?? 0) >= 500
      if (!answer || isFault) chosen.server.failed()
      this.failures.report({ backend: chosen.server.backend.name, reason })
    }
    if (second) return this.respond(second, query, onEnd)
    onEnd()
    return ownResponse(errorAnswer(503, 'no server answers queries now', '1'))
  }

  /** The answer of one server, whatever it lacks; undefined if it does not answer. Never rejects. */
  async answerFrom(output: string, query: Query): Promise<Response | undefined> {
    const server = this.servers.find(({ backend }) => backend.name === output)
    const result = server && (await ask(server, query, this.runtime))
    const answer = result && ('response' in result ? result : result.answer)
    if (!server || !answer) return undefined
    return this.respond({ server, behind: undefined, answer }, query, () => {})
  }

  /**
   * Why a server should not be sent queries; undefined if it has everything that was acknowledged until now.
   *
   * @param output its name
   */
  async unreadiness(output: string): Promise<string | undefined> {
    const server = this.servers.find(({ backend }) => backend.name === output)
    if (!server) return 'there is no such output'
    if (!server.backend.options.isRead) return 'the output has the key read = false'
    const [candidate] = await this.read([server], 'all', this.clock.now() + MAX_WAIT_MS)
    if (!candidate) return undefined
    await anyComplete([candidate], MAX_WAIT_MS, this.clock)
    if (candidate.reading.isComplete) return undefined
    const { bytes, points, since, unheard } = candidate.reading.behind
    if (unheard.length > 0)
      return `it may lack what a relay keeps that has not answered: ${unheard}`
    return `it lacks ${points} points and has yet to take ${bytes} bytes, since ${timeOf(since)}`
  }

  /**
   * What the servers of some outputs lack by this relay's own word, of all that it has acknowledged until now.
   * Outputs that it does not have are left out.
   *
   * @param waitMs how long to wait until one of them is complete
   */
  async report(
    databases: Databases,
    outputs: readonly string[],
    waitMs: number,
  ): Promise<OutputReport[]> {
    const readings = this.servers
      .filter(({ backend }) => outputs.includes(backend.name))
      .map((server) => ({ output: server.backend.name, reading: server.read(databases) }))
    await anyComplete(readings, Math.min(waitMs, MAX_WAIT_MS), this.clock)
    return readings.map(({ output, reading: { isComplete, hasGap, behind } }) => {
      const { bytes, points, since } = behind
      return { output, isComplete, hasGap, bytes, points, since }
    })
  }

  /** What this relay keeps for each server: what it would take with it if it died now. */
  get kept(): OutputReport[] {
    return this.servers.map(({ kept }) => kept)
  }

  has(output: string): boolean {
    return this.servers.some(({ backend }) => backend.name === output)
  }

  /** What servers lack at this moment, once all relays have been asked. */
  private async read(
    servers: readonly ReadServer[],
    databases: Databases,
    deadline: number,
  ): Promise<readonly Candidate[]> {
    const own = servers.map((server) => ({ server, reading: server.read(databases) }))
    const outputs = servers.map(({ backend }) => backend.name)
    const peers = this.peers?.read(databases, outputs, deadline) ?? []
    if (peers.length === 0) return own
    await Promise.all(peers.map(({ answered }) => answered))
    return own.map(({ server, reading }) => ({
      server,
      reading: new JointReading([reading, ...peers.map((peer) => peer.of(server.backend.name))]),
    }))
  }

  private respond(
    { server, behind, answer }: Chosen,
    { signal }: Query,
    onEnd: () => void,
  ): Response {
    const { name } = server.backend
    const headers: Record<string, string> = {}
    if (behind) {
      headers[BEHIND_HEADER] = describeBehind(name, behind)
      const { bytes, points, since, unheard } = behind
      this.late.report({
        backend: name,
        undelivered_bytes: bytes,
        lost_points: points,
        since: timeOf(since),
        unheard_peers: unheard.length > 0 ? unheard.join(',') : undefined,
      })
    }
    return toResponse(answer, {
      timer: this.runtime.timer,
      idleTimeoutMs: this.options.idleTimeoutMs,
      signal,
      headers,
      onEnd: (cut) => {
        if (cut !== undefined && !signal.aborted) this.cuts.report({ backend: name, reason: cut })
        onEnd()
      },
    })
  }
}
