/** Sends queries to one InfluxDB server, and leaves its answers as they are. */

import { credentialParameters } from '../influxdb/credentials.ts'
import type { Fetch, Runtime } from '../runtime.ts'
import type { ClientOptions } from './client.ts'

/** A query as a server gets it. */
export interface BackendQuery {
  /** The parameters as a form, without credentials. */
  readonly form: Uint8Array
  /** The query string for the URL, which is logged. */
  readonly search: string
  /** Headers of the client's request: what it accepts. */
  readonly headers: Readonly<Record<string, string>>
  /** The client's credentials as an Authorization header. A secret: it never reaches a log. */
  readonly authorization: string | undefined
}

export interface QueryOptions extends ClientOptions {
  /** The full URL of the query endpoint, without credentials and query. */
  readonly queryUrl: string
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
    { form, search, headers, authorization }: BackendQuery,
    signal: AbortSignal,
  ): Promise<Response> {
    const credentials = this.options.authorization ?? authorization
    const parameters = credentials && credentialParameters(credentials)
    const query = [search, parameters].filter(Boolean).join('&')
    return this.fetch(`${this.options.queryUrl}?${query}`, {
      method: 'POST',
      headers: {
        ...headers,
        ...(credentials === undefined || parameters ? {} : { authorization: credentials }),
        'content-type': 'application/x-www-form-urlencoded',
      },
      body: form,
      signal,
    })
  }
}
