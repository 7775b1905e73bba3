/** The queries that run on all servers. Each server numbers its own: a row says whose it is. */

import type { Backend } from '../backend/backend.ts'
import type { BackendQuery } from '../backend/query-client.ts'
import { type Answer, errorAnswer } from '../influxdb/answer.ts'
import { InfluxqlReader } from '../influxdb/influxql-reader.ts'
import { readResult } from '../influxdb/response.ts'
import type { Clock } from '../runtime.ts'

/** The longest that a server may take to list its queries. */
const TIMEOUT_MS = 5000

interface Series {
  readonly columns: readonly string[]
  readonly values: readonly (readonly unknown[])[]
}

/** A server's list, or its error. */
interface Listing {
  readonly output: string
  readonly answer: Answer | undefined
}

/** Answers SHOW QUERIES in JSON: the rows of all servers, with a column for the name of the output. */
export async function showQueries(
  backends: readonly Backend[],
  asked: Pick<BackendQuery, 'authorization'>,
  clock: Clock,
): Promise<Answer> {
  const listings = await Promise.all(backends.map((backend) => listingOf(backend, asked, clock)))
  const found = listings.flatMap(({ output, answer }) => {
    const series = answer?.status === 200 ? seriesOf(answer) : undefined
    return series ? [{ output, series }] : []
  })
  if (found.length === 0) {
    const refusal = listings.find(({ answer }) => answer !== undefined)
    return refusal?.answer ?? errorAnswer(503, 'no server answers queries now', '1')
  }
  const columns = [...new Set(found.flatMap(({ series }) => series.columns))]
  const values = found.flatMap(({ output, series }) =>
    series.values.map((row) => [
      ...columns.map((name) => row[series.columns.indexOf(name)] ?? null),
      output,
    ]),
  )
  const silent = listings.filter(({ output }) => !found.some((one) => one.output === output))
  const messages = silent.map(({ output }) => ({
    level: 'warning',
    text: `no answer from ${output}`,
  }))
  const series = [{ columns: [...columns, 'output'], values }]
  const result = { statement_id: 0, series, ...(messages.length > 0 ? { messages } : {}) }
  return {
    ...errorAnswer(200, ''),
    body: new TextEncoder().encode(`${JSON.stringify({ results: [result] })}\n`),
    error: undefined,
  }
}

async function listingOf(
  { name, queries }: Backend,
  { authorization }: Pick<BackendQuery, 'authorization'>,
  clock: Clock,
): Promise<Listing> {
  const controller = new AbortController()
  const stop = clock.after(TIMEOUT_MS, () => controller.abort())
  const form = new TextEncoder().encode('q=SHOW%20QUERIES')
  const headers = { accept: 'application/json' }
  try {
    const asked = { form, search: '', headers, authorization }
    const response = await queries.send(asked, controller.signal)
    return { output: name, answer: await readResult(response) }
  } catch {
    return { output: name, answer: undefined }
  } finally {
    stop()
  }
}

function seriesOf({ body }: Answer): Series | undefined {
  try {
    const [series] = JSON.parse(new TextDecoder().decode(body)).results[0].series
    return Array.isArray(series.columns) && Array.isArray(series.values) ? series : undefined
  } catch {
    return undefined
  }
}

/** What KILL QUERY names. */
export interface KilledQuery {
  readonly number: string | undefined
  /** The output behind ON. */
  readonly output: string | undefined
}

/** @param text one statement */
export function killedQueryOf(text: string): KilledQuery {
  const reader = new InfluxqlReader(text)
  const { scanner } = reader
  let number: string | undefined
  let output: string | undefined
  let previous = ''
  for (let type = reader.next(); type !== 'end' && type !== 'fault'; type = reader.next()) {
    if (type === 'number') number = text.slice(scanner.start, scanner.end)
    if (previous === 'ON' && type === 'identifier') output = scanner.name
    previous = type
  }
  return { number, output }
}
