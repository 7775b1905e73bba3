/** Errors of influxd in the answer to a query. influxd sends the status 200 before it runs a statement. */

/** The beginning of an answer's body, inflated. */
export interface AnswerStart {
  readonly bytes: Uint8Array
  /** Whether it is the whole body. */
  readonly isWhole: boolean
  readonly contentType: string
}

/**
 * Errors that another server with the same data may not have. `not executed` hides another error: in an answer
 * that is not chunked, influxd reports it in place of the error of the statement before.
 */
const OF_ONE_SERVER =
  /^(?:database not found: |max-concurrent-queries limit exceeded|not executed$)|shard is disabled|engine is closed/

/** The error of the first statement, as JSON, pretty JSON or msgpack has it. A value of a row is elsewhere. */
const FIRST_ERROR =
  /^\s*\{\s*"results":\s*\[\s*\{\s*"statement_id":\s*\d+,\s*"error":\s*("(?:[^"\\]|\\.)*")/
const FIRST_ERROR_MSGPACK =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: msgpack is binary
  /^\x81\xa7results(?:[\x91-\x9f]|\xdc..)[\x81-\x8f](?:\xacstatement_id[\x00-\x7f])?\xa5error(?:[\xa0-\xbf]|\xd9.|\xda..)([\s\S]*)/
const CSV_ERROR = /^error\n([\s\S]*?)\n?$/

/**
 * Whether another server may have a better answer than an error with this status.
 *
 * @param endpoint of the request; `/query` reports such errors with the status 200
 * @param message the header `X-Influxdb-Error`
 */
export function isOfOneServer(endpoint: string | undefined, status: number, message: string) {
  if (endpoint === 'remote-read')
    return status === 404 || (status === 400 && message === 'no database')
  // Versions before 1.7 have no Flux, and others may have it turned off.
  return endpoint === 'flux' && (status === 404 || status === 403)
}

/** The error in an answer if another server may answer better; undefined for any other error. */
export function errorOfOneServer(start: AnswerStart): string | undefined {
  return errorsIn(start).find((error) => OF_ONE_SERVER.test(error))
}

function errorsIn({ bytes, isWhole, contentType }: AnswerStart): string[] {
  if (contentType.includes('msgpack')) {
    const [, error] = FIRST_ERROR_MSGPACK.exec(latin1(bytes)) ?? []
    return error === undefined ? [] : [error]
  }
  const text = new TextDecoder().decode(bytes)
  if (contentType.includes('csv')) {
    const [, error] = CSV_ERROR.exec(text) ?? []
    return error === undefined ? [] : [error.replace(/^"|"$/g, '')]
  }
  if (!text.includes('"error"')) return []
  const [, first] = FIRST_ERROR.exec(text) ?? []
  if (!isWhole) return first === undefined ? [] : [JSON.parse(first)]
  return errorsOfDocument(text) ?? text.split('\n').flatMap((line) => errorsOfDocument(line) ?? [])
}

/** The errors of statements in one JSON text; undefined if it is none. */
function errorsOfDocument(text: string): string[] | undefined {
  try {
    const { results = [] } = Object(JSON.parse(text))
    return results.flatMap(({ error }: { error?: unknown }) =>
      typeof error === 'string' ? [error] : [],
    )
  } catch {
    return undefined
  }
}

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes.subarray(0, 1024))
}
