/** Answers from and to HTTP responses. */

import { type Answer, printable } from './answer.ts'

/** The most that is read of a body: influxd quotes every bad line of a write in its error. */
const MAX_BODY_BYTES = 64 * 1024 * 1024

const NO_CONTENT: Answer = {
  status: 204,
  body: new Uint8Array(0),
  contentType: undefined,
  error: undefined,
  challenge: undefined,
  retryAfter: undefined,
}

/** Reads a backend's response to its end, which frees its connection for the next request. */
export async function readAnswer(response: Response): Promise<Answer> {
  const { status } = response
  // Nearly every answer: to look at its headers and body takes longer than the rest of the exchange.
  if (status === 204) return NO_CONTENT
  const body = await readBytes(response)
  const { headers } = response
  return {
    status,
    body,
    contentType: headers.get('content-type') ?? undefined,
    error: headers.get('x-influxdb-error') ?? undefined,
    challenge: headers.get('www-authenticate') ?? undefined,
    retryAfter: headers.get('retry-after') ?? undefined,
  }
}

async function readBytes({ body }: Response): Promise<Uint8Array<ArrayBuffer>> {
  const reader = body?.getReader()
  const chunks: Uint8Array<ArrayBuffer>[] = []
  let total = 0
  for (let read = await reader?.read(); read?.value; read = await reader?.read()) {
    chunks.push(read.value)
    total += read.value.length
    if (total > MAX_BODY_BYTES) {
      await reader?.cancel()
      break
    }
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer())
}

/** The answer as a response to the relay's own client. A backend's other headers are not forwarded. */
export function toResponse(answer: Answer): Response {
  const headers: Record<string, string> = {}
  if (answer.contentType !== undefined) headers['content-type'] = answer.contentType
  if (answer.error !== undefined) headers['x-influxdb-error'] = printable(answer.error)
  if (answer.challenge !== undefined) headers['www-authenticate'] = printable(answer.challenge)
  if (answer.retryAfter !== undefined) headers['retry-after'] = printable(answer.retryAfter)
  return new Response(answer.status === 204 ? null : answer.body, {
    status: answer.status,
    headers,
  })
}
