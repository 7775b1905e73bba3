/** What a backend answered to a write, and what that means. */

/** A backend's answer, as far as a client of the relay gets to see it. */
export interface Answer {
  readonly status: number
  readonly body: Uint8Array<ArrayBuffer>
  readonly contentType: string | undefined
  /** X-Influxdb-Error. */
  readonly error: string | undefined
  /** WWW-Authenticate. */
  readonly challenge: string | undefined
  /** Retry-After. */
  readonly retryAfter: string | undefined
}

/**
 * - `stored`: the backend has the write.
 * - `rejected`: this write will never be taken (it may have been in part).
 * - `too-large`: a smaller one may be.
 * - `unready`: the server lacks something that an operator has to put right: a database, a retention
 *   policy, a user.
 * - `failed`: the server cannot now.
 */
export type Verdict = 'stored' | 'rejected' | 'too-large' | 'unready' | 'failed'

/**
 * A 400, 413 or 422 says something about the write, anything else about the server. influxd 1.x answers
 * 500 for two causes that do not pass: an unknown retention policy, and a name that is not UTF-8. Of the
 * latter it now and then accuses the next write, too, and takes that one when it is asked again.
 *
 * @param sent the line protocol that was answered
 */
export function verdictOf(answer: Answer, sent: Uint8Array): Verdict {
  const { status } = answer
  if (status >= 200 && status < 300) return 'stored'
  if (status === 413) return 'too-large'
  if (status === 400 || status === 422) return 'rejected'
  if (status === 408 || status === 429) return 'failed'
  if (status > 400 && status < 500) return 'unready'
  if (status === 500) {
    const message = messageOf(answer)
    if (message.includes('retention policy not found')) return 'unready'
    if (message.includes('contains invalid UTF-8') && !isUtf8(sent)) return 'rejected'
  }
  return 'failed'
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return true
  } catch {
    return false
  }
}

/** The server's own words, at most about 1 kB of them. */
export function messageOf(answer: Answer): string {
  return printable(answer.error ?? new TextDecoder().decode(answer.body.subarray(0, 1024))).trim()
}

/**
 * Whether a rejected write left nothing behind: influxd could not parse a single point of it. Any other
 * rejection may have stored some points, so other backends must still see the write.
 */
export function leftNothing(answer: Answer): boolean {
  return answer.status === 400 && /^({"error":")?unable to parse/.test(messageOf(answer))
}

/** Reads a backend's response to its end, so that its connection can serve again. */
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

/** The answer as a response to the relay's own client. */
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

/** An answer of the relay's own, in influxd's form. */
export function errorAnswer(status: number, message: string, retryAfter?: string): Answer {
  return {
    status,
    body: new TextEncoder().encode(`${JSON.stringify({ error: message })}\n`),
    contentType: 'application/json',
    error: message,
    challenge: undefined,
    retryAfter,
  }
}

/** A header value without the control bytes that influxd copies raw from a bad line. */
export function printable(value: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must go
  return value.replace(/[\x00-\x1f\x7f]/g, ' ').replace(/[^\x00-\xff]/g, '?')
}
