/** Sends queries to one InfluxDB server, and leaves its answers as they are. */

import { credentialParameters } from '../influxdb/credentials.ts'
import type { Fetch, Runtime } from '../runtime.ts'
import type { ClientOptions } from './client.ts'

/** The endpoints of influxd that read: `/query`, `/api/v1/prom/read` and `/api/v2/query`. */
export type ReadEndpoint = 'query' | 'remote-read' | 'flux'

/** A query as a server gets it. */
export interface BackendQuery {
  /** @default 'query' */
  readonly endpoint?: ReadEndpoint
  /** For `query` the parameters as a form, without credentials; for another endpoint the body. */
  readonly form: Uint8Array
  /** The query string for the URL, which is logged. */
  readonly search: string
  /** Headers of the client's request: what it accepts, and for another endpoint than `query` what it sends. */
  readonly headers: Readonly<Record<string, string>>
  /** The client's credentials as an Authorization header. A secret: it never reaches a log. */
  readonly authorization: string | undefined
}

export interface QueryOptions extends ClientOptions {
  /** The full URL of the query endpoint, without credentials and query. */
  readonly queryUrl: string
  /** The same for remote reads of Prometheus, and for Flux. */
  readonly remoteReadUrl: string
  readonly fluxUrl: string
}

export class QueryClient {
  private readonly options: QueryOptions
  private readonly fetch: Fetch

  constructor(options: QueryOptions, runtime: Runtime) {
    this.options = options
    this.fetch = runtime.createStreamingFetch(options)
  }

  /**
   * Resolves when the answer begins. Rejects with an error of the network.
   *
   * The query goes by POST, whatever its client used: a URL with it has a limit, and is logged.
   */
  send(
    { endpoint = 'query', form, search, headers, authorization }: BackendQuery,
    signal: AbortSignal,
  ): Promise<Response> {
    const credentials = this.options.authorization ?? authorization
    const parameters = credentials && credentialParameters(credentials)
    const query = [search, parameters].filter(Boolean).join('&')
    return this.fetch(`${this.urlOf(endpoint)}?${query}`, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        ...headers,
        ...(credentials === undefined || parameters ? {} : { authorization: credentials }),
      },
      body: form,
      signal,
    })
  }

  private urlOf(endpoint: ReadEndpoint): string {
    const { queryUrl, remoteReadUrl, fluxUrl } = this.options
    return { query: queryUrl, 'remote-read': remoteReadUrl, flux: fluxUrl }[endpoint]
  }
}
