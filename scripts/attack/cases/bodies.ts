/**
 * Bodies that cost more than they weigh. Where the relay passes them on, servers that keep nothing stand
 * behind it: influxd would cost more than the relay.
 */

import { gzipSync } from 'node:zlib'
import { bomb, lying } from '../bomb.ts'
import type { Case } from '../case.ts'
import { crowd, head, post, request, tally, WRITE } from '../connection.ts'

const GZIP = 'Content-Encoding: gzip'
const MB = 2 ** 20

/** What bodies of requests in flight may take: max-pending-mb, and the runtime's garbage. */
const PENDING = { growthMb: 256 + 256, waitMs: 2000, served: 0.5, seconds: 30 }

const inflates = async (port: number, body: Buffer) => request(port, post(WRITE, body, GZIP))

/** A body of comments, in chunks of the same size. */
function chunked(chunkBytes: number, bytes: number): Buffer {
  const chunk = Buffer.from(`${chunkBytes.toString(16)}\r\n${'#'.repeat(chunkBytes)}\r\n`)
  const chunks = Buffer.alloc(Math.ceil(bytes / chunkBytes) * chunk.length, chunk)
  const opening = head(WRITE, 'Transfer-Encoding: chunked')
  return Buffer.concat([Buffer.from(opening), chunks, Buffer.from('0\r\n\r\n')])
}

/** Lines on which a scanner that looks ahead or back again and again would take for ever. */
const LONG_LINES = [',', '"', '\\', ' ', '=', 'm v="', 'm,t=', 'm v=1,', '#"', '\0'].map((piece) =>
  piece.repeat((8 * MB) / piece.length),
)

export const bodies: readonly Case[] = [
  {
    name: 'gzip-bomb-1mb',
    title: '1 MB of gzip that inflates to 1 GB',
    bounds: { growthMb: 64, seconds: 1 },
    attack: ({ port }) => inflates(port, bomb(1000)),
  },
  {
    name: 'gzip-bomb-4mb',
    title: '4 MB of gzip that inflate to 4 GB',
    bounds: { growthMb: 64, seconds: 1 },
    attack: ({ port }) => inflates(port, bomb(4000)),
  },
  {
    name: 'gzip-lying-trailer',
    title: '40 small gzip bodies whose trailer claims 4 GB, 24 MB or nothing',
    async attack({ port }) {
      const gzipped = gzipSync('m v=1 1\n'.repeat(1000))
      const claims = [2 ** 32 - 1, 24 * MB, 0]
      const bodies = claims.map((claimed) => lying(gzipped, claimed))
      return tally(await crowd(40, 20, (i) => inflates(port, bodies[i % 3] as Buffer)))
    },
  },
  {
    name: 'gzip-64-at-once',
    title: '64 gzip bodies at once, each within max-body-size-mb: 20 MB of 20 KB',
    servers: (servers) => servers.nulls(),
    bounds: PENDING,
    async attack({ port }) {
      const body = gzipSync(Buffer.alloc(20 * MB, '\n'))
      return tally(await crowd(64, 64, () => inflates(port, body)))
    },
  },
  {
    name: 'stamps-8-at-once',
    title: '8 gzip bodies at once of points without timestamps, 10 MB that grow to 43 MB',
    servers: (servers) => servers.nulls(),
    bounds: PENDING,
    async attack({ port }) {
      const body = gzipSync('m v=1\n'.repeat((10 * MB) / 6))
      return tally(await crowd(8, 8, () => inflates(port, body)))
    },
  },
  {
    name: 'chunks-1-byte',
    title: 'a body of 8 MB in chunks of 1 byte',
    attack: ({ port }) => request(port, chunked(1, 8 * MB)),
  },
  {
    name: 'chunks-17-byte',
    title: 'a body of 8 MB in chunks of 17 bytes',
    servers: (servers) => servers.nulls(),
    attack: ({ port }) => request(port, chunked(17, 8 * MB)),
  },
  {
    name: 'chunks-1-byte-8-at-once',
    title: '8 bodies of 1 MB in chunks of 1 byte at once',
    bounds: { growthMb: 192 }, // on Deno, 11,000 chunks of each body take 20 MB before its memory is collected
    async attack({ port }) {
      const body = chunked(1, MB)
      return tally(await crowd(8, 8, () => request(port, body)))
    },
  },
  {
    name: 'long-lines',
    title: 'lines of 8 MB made of one piece of syntax',
    servers: (servers) => servers.nulls(),
    bounds: { growthMb: 256 },
    attack: async ({ port }) =>
      tally(
        await crowd(LONG_LINES.length, 2, (i) => request(port, post(WRITE, `${LONG_LINES[i]}`))),
      ),
  },
]
