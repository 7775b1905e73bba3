/** Requests whose end is ambiguous: a relay that reads them otherwise than a proxy would be fooled. */

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { Case } from '../case.ts'
import { Connection, crowd, tally } from '../connection.ts'

const WRITE = 'POST /write?db=attack HTTP/1.1\r\nHost: relay\r\n'
/** Stands for the number of a request, in as many characters. */
const NUMBER = '00'
/** A request inside another one; what it writes to is a database of its own. */
const INNER = `POST /write?db=smuggled${NUMBER} HTTP/1.1\r\nHost: relay\r\nContent-Length: 8\r\n\r\nm v=1 1\n`
const CHUNKED = 'Transfer-Encoding: chunked\r\n'
/** A body that ends before INNER if it is read in chunks. */
const ENDED = `8\r\nm v=1 1\n\r\n0\r\n\r\n${INNER}`
const length = (bytes: number | string) => `Content-Length: ${bytes}\r\n`

/** Each is one request, or none. A relay that finds a second one in it was fooled. */
const AMBIGUOUS: Readonly<Record<string, string>> = {
  'a length, then chunked': `${WRITE}${length(ENDED.length)}${CHUNKED}\r\n${ENDED}`,
  'chunked, then a length': `${WRITE}${CHUNKED}${length(ENDED.length)}\r\n${ENDED}`,
  'two lengths': `${WRITE}${length(8)}${length(8 + INNER.length)}\r\nm v=1 1\n${INNER}`,
  'two lengths, the longer first': `${WRITE}${length(8 + INNER.length)}${length(8)}\r\nm v=1 1\n${INNER}`,
  'two lengths in one header': `${WRITE}${length(`8, ${8 + INNER.length}`)}\r\nm v=1 1\n${INNER}`,
  'a length with a sign': `${WRITE}${length('+8')}\r\nm v=1 1\n${INNER}`,
  'a length in hexadecimal': `${WRITE}${length('0x8')}\r\nm v=1 1\n${INNER}`,
  'a negative length': `${WRITE}${length(-8)}\r\n${INNER}`,
  'a length beyond 64 bits': `${WRITE}${length('18446744073709551624')}\r\nm v=1 1\n${INNER}`,
  'a length with a space in it': `${WRITE}${length('8 8')}\r\nm v=1 1\n${INNER}`,
  'chunked, twice': `${WRITE}Transfer-Encoding: chunked, chunked\r\n\r\n${ENDED}`,
  'chunked, then identity': `${WRITE}${length(ENDED.length)}Transfer-Encoding: chunked, identity\r\n\r\n${ENDED}`,
  'an unknown coding': `${WRITE}${length(ENDED.length)}Transfer-Encoding: xchunked\r\n\r\n${ENDED}`,
  'a space before the colon': `${WRITE}${length(ENDED.length)}Transfer-Encoding : chunked\r\n\r\n${ENDED}`,
  'a tab before the value': `${WRITE}${length(ENDED.length)}Transfer-Encoding:\tchunked\r\n\r\n${ENDED}`,
  'a folded header': `${WRITE}${length(ENDED.length)}Transfer-Encoding:\r\n chunked\r\n\r\n${ENDED}`,
  'a header folded into another': `${WRITE}${length(ENDED.length)}X: x\r\n ${CHUNKED}\r\n${ENDED}`,
  'bare line feeds in the head': `${WRITE}X: x\n${CHUNKED}${length(ENDED.length)}\r\n${ENDED}`,
  'a bare carriage return in the head': `${WRITE}X: x\r${CHUNKED}${length(ENDED.length)}\r\n${ENDED}`,
  'a NUL in a header': `${WRITE}${length(ENDED.length)}Transfer-Encoding: chunked\0\r\n\r\n${ENDED}`,
  'a chunk size in C notation': `${WRITE}${CHUNKED}\r\n0x8\r\nm v=1 1\n\r\n0\r\n\r\n`,
  'a negative chunk size': `${WRITE}${CHUNKED}\r\n-1\r\nm v=1 1\n\r\n0\r\n\r\n${INNER}`,
  'a chunk size beyond 64 bits': `${WRITE}${CHUNKED}\r\n10000000000000008\r\nm v=1 1\n\r\n0\r\n\r\n${INNER}`,
  'a chunk longer than its size': `${WRITE}${CHUNKED}\r\n2\r\nm v=1 1\n\r\n0\r\n\r\n${INNER}`,
  'a line feed in a chunk extension': `${WRITE}${CHUNKED}\r\n2;\nxx\r\n${INNER.length.toString(16)}\r\n${INNER}\r\n0\r\n\r\n`,
  'chunked in HTTP/1.0': `POST /write?db=attack HTTP/1.0\r\n${length(ENDED.length)}${CHUNKED}\r\n${ENDED}`,
  'a GET with a body': `GET /ping HTTP/1.1\r\nHost: relay\r\n${length(INNER.length)}\r\n${INNER}`,
  'a HEAD with a body': `HEAD /ping HTTP/1.1\r\nHost: relay\r\n${length(INNER.length)}\r\n${INNER}`,
  'an OPTIONS with a body': `OPTIONS /write HTTP/1.1\r\nHost: relay\r\n${length(INNER.length)}\r\n${INNER}`,
  'a body for an unknown path': `POST /x HTTP/1.1\r\nHost: relay\r\n${length(INNER.length)}\r\n${INNER}`,
  'a body without a database': `POST /write HTTP/1.1\r\nHost: relay\r\n${length(INNER.length)}\r\n${INNER}`,
  'a body that is too large': `${WRITE}${length(30 * 2 ** 20)}\r\n${INNER}`,
  'a body after Expect': `${WRITE}${length(INNER.length)}Expect: 200-maybe\r\n\r\n${INNER}`,
  'a body with Upgrade': `${WRITE}${length(INNER.length)}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n${INNER}`,
}

const SILENCE_MS = 1000

/** The databases that servers were written to. */
const written = new Set<string>()

async function startRecorder(): Promise<{ url: string }> {
  const server = createServer(async (request, response) => {
    for await (const _ of request); // reads the body
    written.add(new URL(request.url ?? '', 'http://server').searchParams.get('db') ?? '')
    response.writeHead(204).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  server.unref()
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

async function smuggle(port: number): Promise<string> {
  written.clear()
  const requests = Object.values(AMBIGUOUS)
  const outcomes = await crowd(requests.length, 8, async (i) => {
    const connection = await Connection.open(port)
    const number = String(i).padStart(NUMBER.length, '0')
    await connection.send(`${requests[i]}`.replaceAll(`smuggled${NUMBER}`, `smuggled${number}`))
    const outcome = await connection.outcome(SILENCE_MS)
    await delay(50) // the answer to a second request would follow
    const { statuses } = connection
    connection.close()
    return { outcome, stored: statuses.filter((status) => status === 204).length, number }
  })
  const fooled = Object.keys(AMBIGUOUS).filter((_, i) => {
    const { stored, number } = outcomes[i] as (typeof outcomes)[number]
    return stored > 1 || written.has(`smuggled${number}`)
  })
  if (fooled.length > 0) throw new Error(`two requests in ${fooled.join('; ')}`)
  return tally(outcomes.map(({ outcome }) => outcome))
}

export const framing: readonly Case[] = [
  {
    name: 'smuggling',
    title: `${Object.keys(AMBIGUOUS).length} requests whose end is ambiguous, with a second one inside`,
    servers: async () => [await startRecorder(), await startRecorder()],
    attack: ({ port }) => smuggle(port),
  },
]
