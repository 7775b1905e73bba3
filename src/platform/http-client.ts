/**
 * A fetch for one backend, on node:net and node:tls, which all three runtimes have.
 *
 * Their own will not do: none can read influxd's errors when they echo a control byte of a bad line in a
 * header, Deno's cannot skip verification for one server and sends a POST again by itself, Bun's shares
 * 256 requests among all, and each names network errors in its own way. node:http can do it all, but takes
 * more time for a request than the relay for the writes in it.
 */

import * as net from 'node:net'
import * as tls from 'node:tls'
import type { Fetch, FetchOptions } from '../runtime.ts'
import { BackendConnection, StaleConnectionError } from './backend-connection.ts'

/** Idle connections that are kept for later requests. */
const MAX_IDLE_CONNECTIONS = 64

export function createFetch(options: FetchOptions): Fetch {
  const pools = new Map<string, Pool>()
  const poolOf = (origin: string) => {
    let pool = pools.get(origin)
    if (!pool) {
      pool = new Pool(new URL(origin), options)
      pools.set(origin, pool)
    }
    return pool
  }
  return async (url, init) => {
    const path = url.indexOf('/', url.indexOf('://') + 3)
    const pool = poolOf(url.slice(0, path))
    const target = url.slice(path)
    if (!isSendable(target, init.headers)) throw new TypeError(UNSENDABLE)
    const idle = pool.takeIdle()
    if (idle) {
      try {
        return await idle.send(target, init)
      } catch (error) {
        // The server closed the connection while it was idle, so it has not seen the request.
        if (!(error instanceof StaleConnectionError)) throw error
      }
    }
    return pool.connect().send(target, init)
  }
}

const UNSENDABLE = 'a request must not have such characters in its target or headers'

/** Whether the request, as one byte a character, is still one. */
function isSendable(target: string, headers: Record<string, string>): boolean {
  return (
    /^[!-~]+$/.test(target) &&
    Object.values(headers).every((value) => /^[\t -~\x80-\xff]*$/.test(value))
  )
}

/** The connections to one server. */
class Pool {
  private readonly origin: URL
  private readonly options: FetchOptions
  /** The last used is at the end, and is used next: so those that are not needed grow old and are closed. */
  private readonly idle: BackendConnection[] = []

  constructor(origin: URL, options: FetchOptions) {
    this.origin = origin
    this.options = options
  }

  takeIdle(): BackendConnection | undefined {
    return this.idle.pop()
  }

  connect(): BackendConnection {
    const connection = new BackendConnection(this.open(), this.origin.host, {
      onIdle: () => {
        if (this.idle.length < MAX_IDLE_CONNECTIONS) this.idle.push(connection)
        else connection.close()
      },
      onClose: () => {
        const place = this.idle.indexOf(connection)
        if (place >= 0) this.idle.splice(place, 1)
      },
    })
    return connection
  }

  private open(): net.Socket {
    const { protocol, hostname, port } = this.origin
    const host = hostname.replace(/^\[(.*)\]$/, '$1')
    if (protocol === 'http:') return net.connect({ host, port: Number(port || 80), noDelay: true })
    const { ca, skipTlsVerification } = this.options
    const socket = tls.connect({
      host,
      port: Number(port || 443),
      ...(net.isIP(host) ? {} : { servername: host }),
      minVersion: 'TLSv1.2',
      rejectUnauthorized: !skipTlsVerification,
      ...(ca === undefined ? {} : { ca }),
    })
    return socket.setNoDelay(true)
  }
}
