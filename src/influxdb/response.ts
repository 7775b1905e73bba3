/** Answers from and to HTTP responses. */

import { type Answer, printable } from './answer.ts'

/** Reads a backend's response to its end, which frees its connection for the next request. */
export async function readAnswer(response: Response): Promise<Answer> {
  const { status, headers } = response
  const body = response.body ? new Uint8Array(await response.arrayBuffer()) : new Uint8Array(0)
  return {
    status,
    body,
    contentType: headers.get('content-type') ?? undefined,
    error: headers.get('x-influxdb-error') ?? undefined,
    challenge: headers.get('www-authenticate') ?? undefined,
    retryAfter: headers.get('retry-after') ?? undefined,
  }
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
