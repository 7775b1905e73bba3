/** An HTTP or HTTPS server for a fetch handler, on node:http, with bounds on what clients may do. */

import * as http from 'node:http'
import * as https from 'node:https'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { errorAnswer, toResponse } from './answer.ts'
import { Connections } from './connections.ts'
import type { HttpServer, HttpServerOptions } from './runtime.ts'

type Fetch = (request: Request) => Response | Promise<Response>

/** How often slow clients are looked for, and idle connections while the server stops. */
const CHECK_INTERVAL_MS = 500
const STOP_INTERVAL_MS = 50

export async function serveHttp(fetch: Fetch, options: HttpServerOptions): Promise<HttpServer> {
  const server = createServer(fetch, options)
  const connections = new Connections(server, options)
  await listen(server, options)
  const { address, port } = server.address() as AddressInfo
  return { address: { host: address, port }, stop: (signal) => stop(server, connections, signal) }
}

function createServer(fetch: Fetch, options: HttpServerOptions): http.Server {
  const limits = {
    headersTimeout: options.readTimeoutMs,
    requestTimeout: options.readTimeoutMs,
    keepAliveTimeout: options.idleTimeoutMs,
    connectionsCheckingInterval: CHECK_INTERVAL_MS,
  }
  const listener = getRequestListener(fetch, {
    overrideGlobalObjects: false,
    // HTTP/1.0, which many health checks speak, needs no Host header.
    hostname: 'relay',
    errorHandler: (error) =>
      toResponse(errorAnswer(400, `bad request: ${(error as Error).message}`)),
  })
  if (options.pem === undefined) return http.createServer(limits, listener)
  const tls = { cert: options.pem, key: options.pem, minVersion: 'TLSv1.2' as const }
  return https.createServer({ ...limits, ...tls }, listener)
}

function listen(server: http.Server, { bind }: HttpServerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(bind.host === '' ? { port: bind.port } : bind, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

/** Lets requests in flight finish. Each answer closes its connection; those not in use are closed now. */
function stop(server: http.Server, connections: Connections, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    server.prependListener('request', (_request, response: http.ServerResponse) => {
      response.setHeader('connection', 'close')
    })
    const force = () => server.closeAllConnections()
    const closeUnused = () => {
      server.closeIdleConnections()
      // The call above spares connections that have never been used.
      if (connections.areIdle) force()
    }
    const timer = setInterval(closeUnused, STOP_INTERVAL_MS)
    server.close(() => {
      clearInterval(timer)
      signal.removeEventListener('abort', force)
      resolve()
    })
    closeUnused()
    if (signal.aborted) force()
    else signal.addEventListener('abort', force, { once: true })
  })
}
