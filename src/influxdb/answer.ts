/** An InfluxDB server's answer to a write, or one of the relay's own in the same form. */

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
  /** Other headers, of an answer to statements. */
  readonly headers?: Readonly<Record<string, string>>
}

/** The answer to a write that is stored: the same as influxd's. */
export const STORED: Answer = {
  status: 204,
  body: new Uint8Array(0),
  contentType: undefined,
  error: undefined,
  challenge: undefined,
  retryAfter: undefined,
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

/** The longest message of a server. influxd cuts its error header at this length, too. */
export const MAX_MESSAGE_LENGTH = 1024

/** The longest message of a server in a line of the log. */
const MAX_LOGGED_LENGTH = 200

/** The server's own words: its error header, or else the beginning of the body. */
export function messageOf({ error, body }: Answer): string {
  return printable(error ?? new TextDecoder().decode(body.subarray(0, MAX_MESSAGE_LENGTH))).trim()
}

/** The beginning of the server's own words, for the log. */
export function summaryOf(answer: Answer): string {
  const message = messageOf(answer)
  if (message.length <= MAX_LOGGED_LENGTH) return message
  return `${message.slice(0, MAX_LOGGED_LENGTH - 3)}...`
}

/** Text that may stand in a header: influxd copies control bytes of a bad line into its error. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it replaces
  return text.replace(/[\x00-\x1f\x7f]/g, ' ').replace(/[^\x00-\xff]/g, '?')
}
