/** Names that clients choose: databases, credentials, query strings. */

import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { Agent, createServer, request as httpRequest, type Server } from 'node:http'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Service } from '../../../bench/service.ts'
import type { Case, Pair } from '../case.ts'
import { crowd, post, request, tally, WRITE } from '../connection.ts'

/** With 256 files a relay takes 32 connections. */
const WRITE_CLIENTS = 16
const DRAIN_LIMIT_MS = 60_000
const CLEAN_UP_LIMIT_MS = 15_000
/** Files and folders that the probe's own writes may still take. */
const PROBE_FILES = 8
const SMALL_BUFFER_MB = 8
const MEMORY_BUFFER_MB = 64
const BODY = 'm v=1 1\n'

/** Runs a relay with few files. */
const withFiles = (files: number) => ({
  command: ['sh', '-c', `ulimit -n ${files}; exec "$0" "$@"`],
  env: {},
})

/** Writes a point; returns the status of the answer. */
function write(port: number, agent: Agent, path: string): Promise<string> {
  return new Promise((resolve) => {
    const headers = { 'content-length': BODY.length }
    const options = { host: '127.0.0.1', port, path, method: 'POST', agent, headers }
    const sent = httpRequest(options, (response) => {
      response.resume()
      response.on('end', () => resolve(String(response.statusCode)))
    })
    sent.on('error', () => resolve('closed'))
    sent.end(BODY)
  })
}

/** A server that comes back, and counts what it gets. */
class Returned {
  writes = 0
  readonly #server: Server

  constructor(url: string) {
    this.#server = createServer(async (incoming, response) => {
      const db = new URL(incoming.url ?? '', url).searchParams.get('db')
      for await (const chunk of incoming) {
        if (db !== 'probe') this.writes += chunk.toString().split('\n').length - 1
      }
      response.writeHead(204).end()
    })
    this.#server.listen(Number(new URL(url).port), '127.0.0.1')
  }

  stop(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }
}

/** Writes once under each name; returns what the writes came to. */
async function writeAll(port: number, names: number, path: (i: number) => string) {
  const agent = new Agent({ keepAlive: true })
  const outcomes = await crowd(names, WRITE_CLIENTS, (i) => write(port, agent, path(i)))
  agent.destroy()
  return outcomes
}

/** Files and folders that a relay keeps, the root left out. */
const filesIn = (dir: string) => readdirSync(dir, { recursive: true }).length

/** Megabytes of the file system's blocks. */
const diskMb = (dir: string) =>
  Number(execFileSync('du', ['-sk', dir], { encoding: 'utf8' }).split('\t')[0]) / 1024

/**
 * Writes under many names while a server is down, and brings that server back. It must get
 * everything, and nothing may stay on the relay's disk.
 */
async function manyNames(
  { port, dir }: Service,
  servers: Pair,
  names: number,
  path: (i: number) => string,
): Promise<string> {
  const data = join(dir, 'data')
  const before = filesIn(data)
  const outcomes = await writeAll(port, names, path)
  const acknowledged = outcomes.filter((outcome) => outcome === '204').length
  if (acknowledged < names) throw new Error(`answers to ${names} names: ${tally(outcomes)}`)
  const returned = new Returned(servers[1].url)
  try {
    await until(DRAIN_LIMIT_MS, () => returned.writes >= acknowledged)
    if (returned.writes < acknowledged) {
      throw new Error(`the server that came back got ${returned.writes} of ${acknowledged} writes`)
    }
    await until(CLEAN_UP_LIMIT_MS, () => filesIn(data) <= before + PROBE_FILES)
    const left = filesIn(data) - before
    if (left > PROBE_FILES) throw new Error(`${left} files and folders are left on disk`)
    return `${tally(outcomes)}, all delivered`
  } finally {
    returned.stop()
  }
}

async function until(limitMs: number, done: () => boolean): Promise<void> {
  for (const end = performance.now() + limitMs; !done() && performance.now() < end; ) {
    await delay(50)
  }
}

const onDisk = (bufferMb: number, files: number) => ({
  onDisk: true,
  output: { 'buffer-size-mb': bufferMb, 'max-delay-interval': '500ms' },
  under: withFiles(files),
})

/** Fills a small buffer with writes of 8 bytes, and looks at what the file system really uses. */
async function tinyWrites({ port, dir }: Service): Promise<string> {
  const outcomes = await writeAll(port, 4000, (i) => `/write?db=tiny${i}`)
  const used = diskMb(join(dir, 'data'))
  if (used > SMALL_BUFFER_MB * 1.25) {
    throw new Error(`${used.toFixed(0)} MB of disk, buffer-size-mb = ${SMALL_BUFFER_MB}`)
  }
  return `${tally(outcomes)}, ${used.toFixed(1)} MB of disk`
}

export const names: readonly Case[] = [
  {
    name: 'credentials-350',
    title: '350 credentials while a server is down, 1,024 files',
    servers: (servers) => servers.nullAndDown(),
    keys: () => onDisk(256, 1024),
    bounds: { seconds: 30 },
    attack: (relay, servers) =>
      manyNames(relay, servers, 350, (i) => `${WRITE}&u=user${i}&p=secret`),
  },
  {
    name: 'credentials-2000',
    title: '2,000 credentials while a server is down, 256 files',
    servers: (servers) => servers.nullAndDown(),
    keys: () => onDisk(256, 256),
    bounds: { seconds: 60 },
    attack: (relay, servers) =>
      manyNames(relay, servers, 2000, (i) => `${WRITE}&u=user${i}&p=secret`),
  },
  {
    name: 'databases-10000',
    title: '10,000 databases while a server is down, 256 files',
    servers: (servers) => servers.nullAndDown(),
    keys: () => onDisk(1024, 256),
    bounds: { seconds: 100, growthMb: 256, waitMs: 2000 },
    attack: (relay, servers) => manyNames(relay, servers, 10_000, (i) => `/write?db=d${i}`),
  },
  {
    name: 'databases-10000-up',
    title: '10,000 databases while both servers are up',
    servers: (servers) => servers.nulls(),
    attack: async ({ port }) => tally(await writeAll(port, 10_000, (i) => `/write?db=d${i}`)),
  },
  {
    name: 'tiny-writes',
    title: `4,000 databases with one write each, into a disk buffer of ${SMALL_BUFFER_MB} MB`,
    servers: (servers) => servers.nullAndDown(),
    keys: () => onDisk(SMALL_BUFFER_MB, 1024),
    bounds: { seconds: 30, served: 0 }, // the buffer is full, so everybody gets 503
    attack: tinyWrites,
  },
  {
    name: 'query-strings-down',
    title: '6,000 query strings of 15 KB while a server is down, whose buffer is in memory',
    servers: (servers) => servers.realAndDown(),
    keys: () => ({ output: { 'buffer-size-mb': MEMORY_BUFFER_MB } }),
    bounds: { growthMb: 64 + 4 * MEMORY_BUFFER_MB, seconds: 60 },
    async attack({ port }) {
      const filler = 'x'.repeat(15_000)
      const path = (i: number) => `${WRITE}&x=${i}${filler}`
      return tally(await writeAll(port, 6000, path))
    },
  },
  {
    name: 'query-strings',
    title: '1,200 query strings of 15 KB, and 1,200 of 30 KB',
    bounds: { growthMb: 64 + 64, seconds: 30 },
    async attack({ port }) {
      const outcomes = await crowd(2400, 32, (i) => {
        const filler = `${i}-`.padEnd(i % 2 === 0 ? 15_000 : 30_000, 'x')
        return request(port, post(`${WRITE}&x=${filler}`, 'm v=1 1'))
      })
      return tally(outcomes)
    },
  },
]
