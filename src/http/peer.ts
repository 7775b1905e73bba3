/** `/peer/…`: what other relays in front of the same servers ask this one. */

import { errorAnswer } from '../influxdb/answer.ts'
import { toResponse } from '../influxdb/response.ts'
import type { Databases } from '../losses/shortage.ts'
import type { Peers } from '../peers/peers.ts'
import { formatReport, type OutputReport } from '../peers/report.ts'
import type { QueryRouter } from '../query/query-router.ts'

/** Other questions are answered at once: the sender may be no relay. */
const MAX_WAITING = 1000

/**
 * Nothing here is secret: no answer names a database, and `/ready/query/OUTPUT` says as much to everyone. Nothing
 * that comes is believed: a POST only makes the relay ask a peer of its own configuration.
 */
export class PeerHandlers {
  private readonly router: QueryRouter
  private readonly peers: Peers
  private waiting = 0

  constructor(router: QueryRouter, peers: Peers) {
    this.router = router
    this.peers = peers
  }

  /** `GET /peer/behind?db=…&output=…&wait=…`, or `all=true` for all databases; the wait is in ms. */
  async behind(request: Request): Promise<Response> {
    const { searchParams } = new URL(request.url)
    const isAll = searchParams.get('all') === 'true'
    const databases: Databases = isAll ? 'all' : new Set(searchParams.getAll('db'))
    const waitMs = this.waiting < MAX_WAITING ? Number(searchParams.get('wait')) || 0 : 0
    this.waiting++
    const outputs = await this.router.report(databases, searchParams.getAll('output'), waitMs)
    this.waiting--
    return this.respond(outputs)
  }

  /** `GET /peer/kept` */
  kept(): Response {
    const { kept } = this.router
    for (const { output, isComplete } of kept) if (isComplete) this.peers.reportsNothing(output)
    return this.respond(kept)
  }

  /** `POST /peer/kept?relay=…`: a peer keeps something, and is to be asked. */
  async hear(request: Request): Promise<Response> {
    const relay = new URL(request.url).searchParams.get('relay') ?? ''
    if (await this.peers.hear(relay)) return new Response(null, { status: 204 })
    return toResponse(errorAnswer(404, 'no peer of this relay has this id'))
  }

  private respond(outputs: readonly OutputReport[]): Response {
    return Response.json(formatReport({ relay: this.peers.id, outputs }))
  }
}
