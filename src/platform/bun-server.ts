/** HTTP on Bun.serve. */

import type { FetchHandler, HttpServer, HttpServerOptions } from '../runtime.ts'

/** The longest idle timeout that Bun knows, in seconds. */
const MAX_IDLE_SECONDS = 255

/** @throws Error with the system's reason if it cannot listen */
export async function serveHttp(
  fetch: FetchHandler,
  { bind, pem, idleTimeoutMs }: HttpServerOptions,
): Promise<HttpServer> {
  const idleSeconds = Math.min(MAX_IDLE_SECONDS, Math.ceil(idleTimeoutMs / 1000))
  let isStopping = false
  const server = Bun.serve({
    hostname: bind.host === '' ? '::' : bind.host,
    port: bind.port,
    idleTimeout: idleSeconds,
    maxRequestBodySize: Number.MAX_SAFE_INTEGER, // the application's limit is a lower one
    ...(pem === undefined ? {} : { tls: { cert: pem, key: pem } }),
    async fetch(request, server) {
      // The idle timeout is for connections between two requests, not for a handler that waits.
      server.timeout(request, 0)
      const response = await fetch(withAbsoluteUrl(request))
      server.timeout(request, idleSeconds)
      if (isStopping) response.headers.set('connection', 'close')
      return response
    },
  })
  const { hostname, port } = server
  return {
    address: { host: hostname ?? '', port: port ?? 0 },
    async stop(signal) {
      isStopping = true
      const stopped = server.stop()
      server.closeIdleConnections()
      const force = () => void server.stop(true)
      if (signal.aborted) force()
      else signal.addEventListener('abort', force, { once: true })
      await stopped
    },
  }
}

/** Gives a request of HTTP/1.0 without a Host a URL that can be parsed. */
function withAbsoluteUrl(request: Request): Request {
  return request.url.startsWith('/') ? new Request(`http://relay${request.url}`, request) : request
}
