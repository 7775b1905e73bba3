/** Clients that claim, wait, stop, or do not read. */

import { setTimeout as delay } from 'node:timers/promises'
import type { Case } from '../case.ts'
import { Connection, crowd, head, post, request, tally, WRITE } from '../connection.ts'

const HOLD_MS = 1000
const DRIP_MS = 100
/** Lets the relay read each piece by itself. */
const PIECE_MS = 100
const BODY_BYTES = 1000

/** What the runtimes' HTTP servers accept as the head of a request. */
const LONG_HEAD_BYTES = 15_000

const PING = 'GET /ping HTTP/1.1\r\nHost: relay\r\n'
const filler = (bytes: number) => `X-Filler: ${'x'.repeat(bytes)}\r\n`

/** Opens connections. The relay may refuse some. */
async function open(port: number, count: number, options = {}): Promise<Connection[]> {
  const opened = await crowd(count, 100, () =>
    Connection.open(port, options).catch(() => undefined),
  )
  return opened.filter((one) => one !== undefined)
}

/** How the relay has treated connections so far; closes them. */
function end(connections: readonly Connection[]): string {
  const outcomes = connections.map(({ statuses: [status], isClosed }) =>
    String(status ?? (isClosed ? 'closed' : 'open')),
  )
  for (const connection of connections) connection.close()
  return tally(outcomes)
}

/** Holds connections on which only the beginning of a request is sent, in one piece or several. */
async function hold(port: number, count: number, ...pieces: string[]): Promise<string> {
  const connections = await open(port, count)
  for (const piece of pieces) {
    await Promise.all(connections.map((one) => one.send(piece)))
    await delay(PIECE_MS)
  }
  await delay(HOLD_MS)
  return end(connections)
}

/** Sends a text byte by byte on many connections. */
async function drip(port: number, count: number, opening: string, rest: string): Promise<string> {
  const connections = await open(port, count)
  await Promise.all(connections.map((one) => one.send(opening)))
  for (let i = 0; i < HOLD_MS / DRIP_MS; i++) {
    for (const connection of connections) void connection.send(rest[i] ?? 'x')
    await delay(DRIP_MS)
  }
  return end(connections)
}

/** Sends the beginning of a request many times, and breaks each connection off. */
async function abort(port: number, opening: string | Buffer, waitMs: number): Promise<string> {
  const outcomes = await crowd(3000, 100, async () => {
    const connection = await Connection.open(port).catch(() => undefined)
    if (!connection) return 'refused'
    await connection.send(opening)
    await delay(waitMs)
    const [status = 'aborted'] = connection.statuses
    connection.reset()
    return status
  })
  return tally(outcomes)
}

const claiming = head(WRITE, `Content-Length: ${25 * 2 ** 20}`)

export const connections: readonly Case[] = [
  {
    name: 'claims-11',
    title: '11 clients announce 25 MB each and send nothing',
    bounds: { growthMb: 64 },
    attack: ({ port }) => hold(port, 11, claiming),
  },
  {
    name: 'claims-200',
    title: '200 clients announce 25 MB each and send nothing',
    bounds: { growthMb: 64 },
    attack: ({ port }) => hold(port, 200, claiming),
  },
  {
    name: 'claims-4000-small',
    title: '4,000 clients announce 64 KB each and send nothing',
    // To accept 4,000 connections takes one core of this machine for a second.
    bounds: { growthMb: 192, waitMs: 2000 },
    attack: ({ port }) => hold(port, 4000, head(WRITE, `Content-Length: ${64 * 1024}`)),
  },
  {
    name: 'claims-and-pieces',
    title: '600 clients announce 25 MB each and send three pieces of one byte',
    attack: ({ port }) => hold(port, 600, claiming, '#', '#', '#'),
  },
  {
    name: 'slow-heads',
    title: '500 clients send a head byte by byte',
    bounds: { growthMb: 64 },
    attack: ({ port }) => drip(port, 500, 'POST /wri', 'te?db=attack HTTP/1.1\r\nHost: relay'),
  },
  {
    name: 'slow-bodies',
    title: '500 clients send a body byte by byte',
    bounds: { growthMb: 64 },
    attack: ({ port }) => drip(port, 500, head(WRITE, `Content-Length: ${BODY_BYTES}`), 'm v=1'),
  },
  {
    name: 'idle-after-long-heads',
    title: '1,000 connections stay open after a head of 15 KB',
    bounds: { growthMb: 64 },
    attack: ({ port }) => hold(port, 1000, `${PING}${filler(LONG_HEAD_BYTES)}\r\n`),
  },
  {
    name: 'many-headers',
    title: '500 heads of 1,000 headers',
    async attack({ port }) {
      const headers = Array.from({ length: 1000 }, (_, i) => `X${i}: ${i}\r\n`).join('')
      return tally(await crowd(500, 50, () => request(port, `${PING}${headers}\r\n`)))
    },
  },
  {
    name: 'long-url',
    title: '20 URLs of 900 KB',
    bounds: { growthMb: 64 },
    async attack({ port }) {
      const path = `${WRITE}&x=${'x'.repeat(900_000)}`
      return tally(await crowd(20, 4, () => request(port, post(path, 'm v=1 1'))))
    },
  },
  {
    name: 'aborted-before-body',
    title: '3,000 requests broken off before their body',
    attack: ({ port }) => abort(port, head(WRITE, 'Content-Length: 100000'), 0),
  },
  {
    name: 'aborted-in-body',
    title: '3,000 requests broken off in their body, after 64 KB of 1 MB',
    bounds: { growthMb: 384 }, // max-pending-mb bounds what waits; a client that left is seen behind its bytes
    async attack({ port }) {
      const opening = head(WRITE, 'Content-Length: 1000000')
      return abort(port, Buffer.concat([Buffer.from(opening), Buffer.alloc(65_536, '#')]), 5)
    },
  },
  {
    name: 'aborted-before-answer',
    title: '3,000 writes of 10 KB broken off while a server takes 300 ms to answer',
    servers: async (servers) => [await servers.hostile('slow'), await servers.hostile('slow')],
    attack: ({ port }) => abort(port, post(WRITE, `m v=1 1\n${'#'.repeat(10_000)}`), 20),
  },
  {
    name: 'pipelined-unread',
    title: '20,000 requests on one connection whose client never reads',
    attack: ({ port }) => unread(port, 1, `${PING}\r\n`.repeat(20_000)),
  },
  {
    name: 'pipelined-writes-unread',
    title: '5,000 refused writes on each of 4 connections whose clients never read',
    attack: ({ port }) => unread(port, 4, post(WRITE, 'm').toString().repeat(5000)),
  },
  {
    name: 'unread-answers',
    title: '60 clients do not read answers of 10 MB',
    servers: async (servers) => {
      const hostile = await servers.hostile('large-error')
      return [hostile, hostile]
    },
    attack: ({ port }) => unread(port, 60, post(WRITE, 'm v=1 1').toString()),
  },
]

/** Sends the same on connections that are never read. */
async function unread(port: number, count: number, bytes: string): Promise<string> {
  const connections = await open(port, count, { reads: false })
  for (const connection of connections) void connection.send(bytes)
  await delay(HOLD_MS)
  return end(connections)
}
