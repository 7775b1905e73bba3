/** Asks one server, and looks at the beginning of its answer before any byte goes to the client. */

import type { BackendQuery } from '../backend/query-client.ts'
import { errorOfOneServer, isOfOneServer } from '../influxdb/query-error.ts'
import type { Clock, Runtime } from '../runtime.ts'
import type { ReadServer } from './read-server.ts'

export interface Query extends BackendQuery {
  /** Whether the client asks for an answer in chunks. It gets each one at once. */
  readonly isChunked: boolean
  /** Aborts when the client leaves. */
  readonly signal: AbortSignal
}

/** An answer before its first byte goes to the client. */
export interface Answered {
  readonly response: Response
  /** The beginning of the body. */
  readonly start: readonly Uint8Array[]
  /** Reads the rest of the body piece by piece, undefined at its end. Rejects if it is cut short. */
  readonly read: (() => Promise<Uint8Array | undefined>) | undefined
  /** Closes the connection to the server, which then ends the query. */
  cancel(): void
}

/** Another server may answer better. */
export interface Unanswered {
  /** For the log: never holds a secret. */
  readonly reason: string
  /** The answer for the client if no other server has a better one. */
  readonly answer: Answered | undefined
}

export interface ExchangeRuntime extends Pick<Runtime, 'clock' | 'gunzip'> {
  /** For deadlines that nearly always are met. */
  readonly timer: Clock['after']
}

/** How much of an answer is looked at. */
const MAX_START_BYTES = 64 * 1024

/** How long the beginning of a compressed answer in chunks waits for its end: an error is short. */
const MAX_START_MS = 20

/** The most that a short answer is inflated to. */
const MAX_INFLATED_BYTES = 256 * 1024

export async function ask(
  { backend }: ReadServer,
  query: Query,
  { clock, timer, gunzip }: ExchangeRuntime,
): Promise<Answered | Unanswered> {
  const { queryTimeoutMs } = backend.options
  const controller = new AbortController()
  const cancel = () => controller.abort()
  query.signal.addEventListener('abort', cancel)
  const end = () => query.signal.removeEventListener('abort', cancel)
  /** Limits how long the server may send nothing. */
  const inTime = async <Value>(promise: Promise<Value>): Promise<Value> => {
    let isLate = false
    const stop = timer(queryTimeoutMs, () => {
      isLate = true
      cancel()
    })
    try {
      return await promise
    } catch (error) {
      throw isLate ? new Error(`nothing was sent for ${queryTimeoutMs} ms`) : error
    } finally {
      stop()
    }
  }
  try {
    if (query.signal.aborted) cancel()
    const response = await inTime(backend.queries.send(query, controller.signal))
    const reader = response.body?.getReader()
    let pending: Promise<Uint8Array | undefined> | undefined
    const readNext = async () => {
      const { value } = (await reader?.read()) ?? {}
      if (value === undefined) end()
      return value
    }
    const read = () => {
      const next = pending ?? readNext()
      pending = undefined
      return inTime(next)
    }
    const start: Uint8Array[] = []
    const isCompressed = response.headers.has('content-encoding')
    let bytes = 0
    let isWhole = false
    while (!isWhole && bytes < MAX_START_BYTES && !(query.isChunked && endsLine(start))) {
      pending = readNext()
      const isStarted = query.isChunked && isCompressed && start.length > 0
      if (isStarted && !(await settlesSoon(pending, clock))) break
      const piece = await read()
      isWhole = piece === undefined
      if (piece) start.push(piece)
      bytes += piece?.length ?? 0
    }
    const answer = { response, start, read: isWhole ? undefined : read, cancel }
    if (response.status >= 500) return { reason: `${response.status}`, answer }
    // A client that follows a redirect bypasses the relay.
    if (response.status >= 300 && response.status < 400) {
      cancel()
      return { reason: `${response.status}`, answer: undefined }
    }
    const message = response.headers.get('x-influxdb-error') ?? ''
    if (isOfOneServer(query.endpoint, response.status, message)) {
      return { reason: `${response.status} ${message}`.trim(), answer }
    }
    if (response.status !== 200 || (isCompressed && !isWhole)) return answer
    const inflated = isCompressed ? await inflate(start, gunzip) : concatenated(start)
    const contentType = response.headers.get('content-type') ?? ''
    const error = inflated && errorOfOneServer({ bytes: inflated, isWhole, contentType })
    return error === undefined ? answer : { reason: error, answer }
  } catch (error) {
    end()
    controller.abort()
    return { reason: (error as Error).message, answer: undefined }
  }
}

/** Whether the last of some pieces ends with a newline, as each chunk of influxd does. */
function endsLine(pieces: readonly Uint8Array[]): boolean {
  return pieces.at(-1)?.at(-1) === 0x0a
}

function settlesSoon(promise: Promise<unknown>, clock: Clock): Promise<boolean> {
  return new Promise((resolve) => {
    const stop = clock.after(MAX_START_MS, () => resolve(false))
    const settled = () => {
      stop()
      resolve(true)
    }
    promise.then(settled, settled)
  })
}

/** Undefined if the answer is too long to be an error, or no gzip. */
async function inflate(
  pieces: readonly Uint8Array[],
  gunzip: Runtime['gunzip'],
): Promise<Uint8Array | undefined> {
  return gunzip(concatenated(pieces), MAX_INFLATED_BYTES).catch(() => undefined)
}

export function concatenated(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const piece of pieces) {
    joined.set(piece, at)
    at += piece.length
  }
  return joined
}
