/** The body of a message on node:http as a web stream. */

import type { IncomingMessage } from 'node:http'

/**
 * Has `request.body` read `incoming` itself. The stream of Node.js's `Readable.toWeb` copies each chunk, and
 * takes as much time for half a megabyte as the rest of the relay.
 */
export function withDirectBody(request: Request, incoming: IncomingMessage): Request {
  let body: ReadableStream<Uint8Array> | undefined
  return Object.defineProperty(request, 'body', {
    get() {
      body ??= streamOf(incoming, () => incoming.pause())
      return body
    },
  })
}

/**
 * A message's body, no faster than it is read. A message that was cut short is an error.
 *
 * @param onCancel called when nobody reads the rest
 */
export function streamOf(
  incoming: IncomingMessage,
  onCancel: () => void,
): ReadableStream<Uint8Array> {
  let onData: (chunk: Uint8Array) => void
  let onEnd: () => void
  return new ReadableStream({
    start(controller) {
      onData = (chunk) => {
        controller.enqueue(chunk)
        if ((controller.desiredSize as number) <= 0) incoming.pause()
      }
      onEnd = () => controller.close()
      incoming.on('data', onData).on('end', onEnd)
      incoming.on('error', (error) => controller.error(error))
      incoming.on('close', () => {
        if (!incoming.complete) controller.error(new Error('cut short'))
      })
    },
    pull() {
      incoming.resume()
    },
    cancel() {
      incoming.off('data', onData).off('end', onEnd)
      onCancel()
    },
  })
}
