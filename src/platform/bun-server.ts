/** HTTP on Bun.serve. */

import { readdirSync } from 'node:fs'
import http from 'node:http'
import { isStream } from '../query/answer.ts'
import type { FetchHandler, HttpServer, HttpServerOptions } from '../runtime.ts'

/** The longest idle timeout that Bun knows, in seconds. */
const MAX_IDLE_SECONDS = 255

/** How much of the files that the process may have open can be taken before idle connections are closed. */
const MAX_SHARE_OF_FILES = 3 / 4
const WATCH_INTERVAL_MS = 1000

/** The longest request head: some clients send queries of up to 64 KB in URLs. */
const MAX_HEAD_BYTES = 96 * 1024

/** How often a stopping server looks for requests in flight. */
const CHECK_INTERVAL_MS = 50

/** @throws Error with the system's reason if it cannot listen */
export async function serveHttp(
  fetch: FetchHandler,
  { bind, pem, idleTimeoutMs, maxOpenFiles }: HttpServerOptions,
): Promise<HttpServer> {
  const idleSeconds = Math.min(MAX_IDLE_SECONDS, Math.ceil(idleTimeoutMs / 1000))
  let isStopping = false
  // A setting of the whole process, without a type. By default it is 16 KB.
  Object.assign(http, { maxHeaderSize: MAX_HEAD_BYTES })
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
      // A server may be silent for long in the middle of its answer, and Bun does not say when that has ended.
      const isLong = isStream(response)
      if (!isLong) server.timeout(request, idleSeconds)
      if (isStopping || isLong) response.headers.set('connection', 'close')
      return response
    },
  })
  // Bun does not limit connections. Without a file left, the relay could not reach its backends.
  const watching = setInterval(() => {
    if (openFiles() > maxOpenFiles * MAX_SHARE_OF_FILES) server.closeIdleConnections()
  }, WATCH_INTERVAL_MS)
  const { hostname, port } = server
  return {
    address: { host: hostname ?? '', port: port ?? 0 },
    async stop(signal) {
      isStopping = true
      clearInterval(watching)
      void server.stop()
      // Bun's own promise would wait for connections that have never sent a request, too.
      do {
        await Bun.sleep(CHECK_INTERVAL_MS)
        server.closeIdleConnections()
      } while (server.pendingRequests > 0 && !signal.aborted)
      await server.stop(true)
    },
  }
}

function openFiles(): number {
  try {
    return readdirSync('/proc/self/fd').length
  } catch {
    return 0 // another system than Linux, where the limit is not known either
  }
}

/** Gives a request of HTTP/1.0 without a Host a URL that can be parsed. */
function withAbsoluteUrl(request: Request): Request {
  return request.url.startsWith('/') ? new Request(`http://relay${request.url}`, request) : request
}
