/** Sends a response of unknown length on node:http. */

import type { ServerResponse } from 'node:http'

/** Tells node-server that the response was sent without it. Not of the class that it puts in place of Response. */
export const SENT = new Response(null, { headers: { 'x-hono-already-sent': 'true' } })

/**
 * Sends a stream no faster than the client takes it. If it fails, closes the connection, where node-server would
 * complete the answer. Never rejects.
 */
export async function sendStream(response: Response, outgoing: ServerResponse): Promise<void> {
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  outgoing.once('close', () => reader.cancel().catch(() => {}))
  try {
    const { 'transfer-encoding': _, ...headers } = Object.fromEntries(response.headers)
    outgoing.writeHead(response.status, headers)
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      if (outgoing.destroyed) return
      if (!outgoing.write(read.value)) await drained(outgoing)
    }
    outgoing.end()
  } catch {
    outgoing.destroy()
  }
}

/** Resolves when the client has taken what was written, or has gone. */
function drained(outgoing: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      outgoing.off('drain', end).off('close', end)
      resolve()
    }
    outgoing.on('drain', end).on('close', end)
  })
}
