/** When a client that closes its half of a connection counts as one that has left. */

import type { IncomingMessage } from 'node:http'
import type { HttpBindings } from '@hono/node-server'

/**
 * Has `request.signal` abort as soon as the client closes its half of the connection, as influxd ends a query.
 * A client that sends a write in this way gets an answer.
 */
export function endWithInput(
  request: Request,
  { socket }: IncomingMessage,
  outgoing: HttpBindings['outgoing'],
): void {
  const controller = new AbortController()
  const abort = () => controller.abort()
  socket.once('end', abort)
  outgoing.once('close', () => {
    socket.off('end', abort)
    abort()
  })
  Object.defineProperty(request, 'signal', { value: controller.signal })
}
