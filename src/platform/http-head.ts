/**
 * The head of an HTTP/1.x request (RFC 9112), read strictly: what a proxy in front of the relay could
 * understand in another way is refused, or one client might slip its bytes into another's request.
 */

/** A request that cannot be understood, and the status that says so. */
export class HttpError extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

export interface RequestHead {
  readonly method: string
  /** Path and query, in ASCII. */
  readonly target: string
  /** By their names in lower case; several of one name are joined by commas. */
  readonly headers: ReadonlyMap<string, string>
  /** Bytes of the body, if they are known before they come. */
  readonly bodyLength: number | 'chunked'
  /** Whether the connection may serve another request behind this one. */
  readonly keepAlive: boolean
  /** Whether the client is old enough that it has to be told so. */
  readonly isOld: boolean
  /** Whether the client sends the body only once it is told to go on. */
  readonly expectsContinue: boolean
}

export const TOKEN = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+"
/** A header's name and value. No part of it can match in two ways, so a long line costs no more than its length. */
export const HEADER = `(${TOKEN}):([^\\0-\\x08\\x0a-\\x1f\\x7f]*)`
const REQUEST_LINE = new RegExp(`^(${TOKEN}) ([\\x21-\\x7e\\x80-\\xff]+) HTTP/1\\.([01])\\r\\n`)
const HEADER_LINE = new RegExp(`${HEADER}\\r\\n`, 'y')
const HEADER_NAME = new RegExp(`^${TOKEN}$`)

/** Headers of which two would make two programs disagree. */
const SINGLE = new Set(['host', 'content-length', 'transfer-encoding'])

/**
 * @param text the head, a character a byte, to the end of its last line
 * @throws HttpError
 */
export function parseHead(text: string): RequestHead {
  const [line, method, target, minor] = REQUEST_LINE.exec(text) ?? []
  if (!line || !method || !target) throw new HttpError(400, 'malformed request line')
  const headers = parseHeaders(text, line.length)
  const isOld = minor === '0'
  if (!isOld && !headers.has('host')) throw new HttpError(400, 'missing header Host')
  const connection = headers.get('connection') ?? ''
  return {
    method,
    target: originOf(target),
    headers,
    bodyLength: bodyLengthOf(headers, isOld),
    keepAlive: !lists(connection, 'close') && (!isOld || lists(connection, 'keep-alive')),
    isOld,
    expectsContinue: !isOld && headers.get('expect')?.toLowerCase() === '100-continue',
  }
}

function parseHeaders(text: string, start: number): Map<string, string> {
  const headers = new Map<string, string>()
  HEADER_LINE.lastIndex = start
  for (let at = start; at < text.length; at = HEADER_LINE.lastIndex) {
    const [, name, value] = HEADER_LINE.exec(text) ?? []
    if (name === undefined || value === undefined) throw new HttpError(400, 'malformed header')
    const key = name.toLowerCase()
    const before = headers.get(key)
    if (before !== undefined && SINGLE.has(key)) throw new HttpError(400, `two headers ${name}`)
    headers.set(key, before === undefined ? trimmed(value) : `${before}, ${trimmed(value)}`)
  }
  return headers
}

/** Whether a header that is a list has the option in it. */
function lists(value: string, option: string): boolean {
  return value !== '' && value.split(',').some((one) => trimmed(one).toLowerCase() === option)
}

/**
 * Takes spaces and tabs off both ends, and no other byte: a program that took `chunked\xa0` for `chunked`
 * would see a body where another sees none.
 */
function trimmed(text: string): string {
  let start = 0
  let end = text.length
  while (isBlank(text.charCodeAt(start))) start++
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--
  return text.slice(start, end)
}

const isBlank = (code: number) => code === 32 || code === 9

/** A target in absolute form, as for a proxy, names a server that is of no interest. */
function originOf(target: string): string {
  const origin = target.replace(/^https?:\/\/[\w.~%:[\]-]+(?=[/?]|$)/i, '')
  const isPath = origin.startsWith('/')
  if (!isPath && origin === target && target !== '*') {
    throw new HttpError(400, 'malformed request target')
  }
  const path = isPath ? origin : `/${origin}`
  // Bytes beyond ASCII are of no standard, but influxd takes them.
  return path.replace(/[\x80-\xff]/g, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase()}`)
}

function bodyLengthOf(headers: Map<string, string>, isOld: boolean): number | 'chunked' {
  const length = headers.get('content-length')
  const coding = headers.get('transfer-encoding')
  if (coding !== undefined) {
    if (length !== undefined || isOld) throw new HttpError(400, 'misplaced Transfer-Encoding')
    if (coding.toLowerCase() !== 'chunked') throw new HttpError(501, 'unknown Transfer-Encoding')
    return 'chunked'
  }
  if (length === undefined) return 0
  if (!/^\d{1,15}$/.test(length)) throw new HttpError(400, 'malformed Content-Length')
  return Number(length)
}

export interface ResponseHead {
  readonly status: number
  /** By their names in lower case; of several with one name the last. */
  readonly headers: ReadonlyMap<string, string>
  /** Bytes of the body, if they are known before they come. */
  readonly bodyLength: number | 'chunked' | 'until close'
  readonly keepAlive: boolean
}

/**
 * Reads the head of a response to a POST, and overlooks what it can: influxd copies control bytes of a bad
 * line raw into a header.
 *
 * @param text the head, a character a byte, to the end of its last line
 * @throws Error if it is none
 */
export function parseResponseHead(text: string): ResponseHead {
  const [first = '', ...lines] = text.split('\r\n')
  const [, minor, code] = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: |$)/.exec(first) ?? []
  if (code === undefined) throw new Error('the answer is not HTTP')
  const headers = new Map<string, string>()
  for (const line of lines) {
    const colon = line.indexOf(':')
    const name = line.slice(0, Math.max(0, colon)).toLowerCase()
    if (HEADER_NAME.test(name)) headers.set(name, trimmed(line.slice(colon + 1)))
  }
  const status = Number(code)
  const bodyLength = responseLengthOf(status, headers)
  const keepAlive = minor === '1' && !lists(headers.get('connection') ?? '', 'close')
  return { status, headers, bodyLength, keepAlive: keepAlive && bodyLength !== 'until close' }
}

function responseLengthOf(
  status: number,
  headers: ReadonlyMap<string, string>,
): ResponseHead['bodyLength'] {
  if (status < 200 || status === 204 || status === 304) return 0
  if (/\bchunked$/i.test(headers.get('transfer-encoding') ?? '')) return 'chunked'
  const length = headers.get('content-length')
  if (length === undefined) return 'until close'
  if (!/^\d{1,15}$/.test(length)) throw new Error('the answer has a malformed Content-Length')
  return Number(length)
}
