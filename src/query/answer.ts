/** The answer of a server as the response to a client. */

import { STATUSES_WITHOUT_BODY } from '../influxdb/response.ts'
import type { Clock } from '../runtime.ts'
import { type Answered, concatenated } from './exchange.ts'

/** Headers of one connection, and of a framing that the relay does by itself. */
const HOP_BY_HOP = new Set([
  ...['connection', 'keep-alive', 'proxy-authenticate', 'proxy-connection', 'te', 'trailer'],
  ...['transfer-encoding', 'upgrade', 'content-length'],
])

export interface AnswerOptions {
  readonly timer: Clock['after']
  /** The longest that a client may take nothing of an answer that is ready. */
  readonly idleTimeoutMs: number
  /** Aborts when the client leaves. */
  readonly signal: AbortSignal
  /** Headers to add. */
  readonly headers: Readonly<Record<string, string>>
  /** The answer was sent, or was cut short for a reason. */
  onEnd(cut?: string): void
}

/**
 * A response that is sent piece by piece as it comes, and no faster than the client takes it. If the server
 * does not send all of it, the stream fails, and the connection to the client is closed: an answer that was cut
 * short can be valid JSON, and only the end of the body says that it is whole.
 *
 * A stream of unknown length has the header `transfer-encoding`.
 */
export function toResponse(answered: Answered, options: AnswerOptions): Response {
  const { response, start, read } = answered
  const { status } = response
  const headers = new Headers(options.headers)
  for (const [name, value] of response.headers) if (!HOP_BY_HOP.has(name)) headers.set(name, value)
  if (STATUSES_WITHOUT_BODY.has(status) || !read) {
    options.onEnd()
    return new Response(STATUSES_WITHOUT_BODY.has(status) ? null : concatenated(start), {
      status,
      headers,
    })
  }
  headers.set('transfer-encoding', 'chunked')
  return new Response(streamOf(start, read, answered.cancel, options), { status, headers })
}

/** Whether a response is a stream of unknown length. */
export function isStream({ headers }: Response): boolean {
  return headers.get('transfer-encoding') === 'chunked'
}

function streamOf(
  start: readonly Uint8Array[],
  read: () => Promise<Uint8Array | undefined>,
  cancel: () => void,
  { timer, idleTimeoutMs, signal, onEnd }: AnswerOptions,
): ReadableStream<Uint8Array> {
  const pieces = [...start]
  let stopTimer = () => {}
  let isOver = false
  let fail: (reason: string) => void
  const leave = () => fail('the client has left')
  const end = (cut?: string) => {
    stopTimer()
    if (isOver) return
    isOver = true
    signal.removeEventListener('abort', leave)
    if (cut !== undefined) cancel()
    onEnd(cut)
  }
  const waitForClient = () => {
    stopTimer = timer(idleTimeoutMs, () => fail('the client takes nothing'))
  }
  return new ReadableStream(
    {
      start(controller) {
        fail = (reason) => {
          // Without a reason: Bun would print it.
          controller.error()
          end(reason)
        }
        // A runtime may neither read nor cancel the answer to a client that has left.
        signal.addEventListener('abort', leave)
        waitForClient()
      },
      async pull(controller) {
        stopTimer()
        if (isOver) return
        try {
          const piece = pieces.shift() ?? (await read())
          if (piece) {
            controller.enqueue(piece)
            waitForClient()
          } else {
            controller.close()
            end()
          }
        } catch (error) {
          fail((error as Error).message)
        }
      },
      cancel: () => end('the client has left'),
    },
    { highWaterMark: 0 },
  )
}
