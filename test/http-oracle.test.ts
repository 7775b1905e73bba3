/**
 * What the server takes for a request, against what node:http takes for one: bytes that one program reads
 * in another way than the next are how a request is smuggled in. The corpus says what is expected; on
 * Node.js, whose parser is the oracle, that is held against it, and so are random changes to the corpus.
 */

import { createServer, METHODS } from 'node:http'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { HttpConnection } from '../src/platform/http-connection.ts'
import { ResponseWriter } from '../src/platform/http-response.ts'
import { PoisoningPool } from './support/poisoning-pool.ts'

/** A request as it was understood. */
interface Understood {
  method: string
  target: string
  headers: [string, string][]
  body: string
}

/** A connection without a network: the test is the client. */
class Wire extends Duplex {
  /** All that was answered. */
  answers = ''

  override _read(): void {}

  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    this.answers += chunk.toString('latin1')
    done()
  }
}

const latin1 = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1')

/** Sends pieces, and waits until nothing more comes of them. */
async function send(wire: Wire, pieces: readonly string[]): Promise<void> {
  for (const piece of pieces) {
    if (piece !== '' && !wire.destroyed) wire.push(Buffer.from(piece, 'latin1'))
    for (let i = 0; i < 4; i++) await new Promise(setImmediate)
  }
  for (let i = 0; i < 100 && wire.answers === '' && !wire.destroyed; i++) {
    await new Promise(setImmediate)
  }
  for (let i = 0; i < 12; i++) await new Promise(setImmediate)
}

/** The requests that the relay's server serves, each read to its end. */
async function understood(...pieces: string[]): Promise<Understood[]> {
  const found: Understood[] = []
  const wire = new Wire()
  new HttpConnection(wire as unknown as Socket, {
    async fetch({ method, url, headers, body }) {
      const chunks: Uint8Array[] = []
      for await (const chunk of body ?? []) chunks.push(chunk)
      const target = url.slice('http://relay'.length)
      found.push({ method, target, headers: [...headers], body: latin1(Buffer.concat(chunks)) })
      return new Response(null, { status: 204 })
    },
    buffers: new PoisoningPool(),
    writer: new ResponseWriter(),
    readTimeoutMs: 1,
    idleTimeoutMs: 1,
    now: 0,
  })
  await send(wire, pieces)
  wire.destroy()
  return found
}

const brief = ({ method, target, body }: Understood) => `${method} ${target} ${body}`.trim()

const H = 'Host: h\r\n'
const chunked = `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\n\r\n`
const behind = `GET /behind HTTP/1.1\r\n${H}\r\n`
const post = (headers: string, body = '') => `POST / HTTP/1.1\r\n${H}${headers}\r\n${body}`

interface Case {
  bytes: string
  /** Its requests, in short. What is refused, or not complete, has none. */
  requests: string[]
  /** Why node:http, at least in one of its versions, understands something else. */
  otherwise?: string
}

const both = (bytes: string, ...requests: string[]): Case => ({ bytes, requests })
const refused = both
const unlike = (otherwise: string, bytes: string, ...requests: string[]): Case => ({
  bytes,
  requests,
  otherwise,
})

const NO_CODINGS = 'there is no transfer coding but chunked that the relay could take off'
const ONE_HOST = 'two hosts are for each program to choose from'
const OLD_CHUNKS = 'chunks in HTTP/1.0 are read by some programs, and not by others (RFC 9112, 6.1)'
const ANY_METHOD = 'which methods there are is for the app to say'
const BLANK_LINES = 'before a request, a lone CR or LF is no empty line'
const TARGETS = 'a target is a path, or the URL of one'
const SIZES = 'a chunk of 256 terabytes or more is a mistake'
const ONE_SPACE = 'one space is between the parts of a request line (RFC 9112, 3)'
const VERSIONS = 'only 1.0 and 1.1 are versions whose rules these are'
const RAW_BYTES = 'influxd takes names that are not percent-encoded'
const TABS = 'tabs around a value are blanks like others (RFC 9110, 5.5)'
const UPGRADES = 'an offer to upgrade that is not taken changes nothing (RFC 9110, 7.8)'

const corpus: Case[] = [
  // Requests that are in order.
  both(`GET / HTTP/1.1\r\n${H}\r\n`, 'GET /'),
  both('GET / HTTP/1.0\r\n\r\n', 'GET /'),
  both(`GET /a?b=c&d=%20 HTTP/1.1\r\n${H}\r\n`, 'GET /a?b=c&d=%20'),
  both(`GET http://h/a?b HTTP/1.1\r\n${H}\r\n`, 'GET /a?b'),
  both(`OPTIONS * HTTP/1.1\r\n${H}\r\n`, 'OPTIONS /*'),
  both(`\r\n\r\nGET / HTTP/1.1\r\n${H}\r\n`, 'GET /'),
  both(post('Content-Length: 4\r\n', 'body'), 'POST / body'),
  both(post('Content-Length:4  \r\n', `body${behind}`), 'POST / body', 'GET /behind'),
  both(post('Content-Length: 004\r\n', `body\r\n${behind}`), 'POST / body', 'GET /behind'),
  both(post('Content-Length: 3\r\n', 'bo')),
  both(`${chunked}4\r\nbody\r\n0\r\n\r\n${behind}`, 'POST / body', 'GET /behind'),
  both(`${chunked}2\r\nbo\r\n02\r\ndy\r\n00\r\n\r\n${behind}`, 'POST / body', 'GET /behind'),
  both(`${chunked}1;a=b;c="d e"\r\nx\r\n0\r\nA: b\r\n\r\n${behind}`, 'POST / x', 'GET /behind'),
  both(`${chunked}A\r\n0123456789\r\n0\r\n\r\n`, 'POST / 0123456789'),
  both(behind + behind, 'GET /behind', 'GET /behind'),
  both(`GET / HTTP/1.1\r\n${H}Connection: close\r\n\r\n${behind}`, 'GET /'),
  both(`GET / HTTP/1.1\r\n${H}X: a\r\nX: \xe4 b\r\nY:\r\n\r\n`, 'GET /'),
  unlike(
    UPGRADES,
    `GET / HTTP/1.1\r\n${H}Upgrade: h2c\r\nConnection: Upgrade\r\n\r\n${behind}`,
    'GET /',
    'GET /behind',
  ),
  unlike(RAW_BYTES, `GET /\xe4 HTTP/1.1\r\n${H}\r\n`, 'GET /%E4'),
  unlike(TABS, post('Content-Length: 4\t\r\n', 'body'), 'POST / body'),

  // Lengths about which two programs could disagree.
  refused(post('Content-Length: 4\r\nContent-Length: 4\r\n', 'body')),
  refused(post('Content-Length: 4\r\nContent-Length: 5\r\n', 'body')),
  refused(post('Content-Length: 4, 4\r\n', 'body')),
  refused(post('Content-Length: +4\r\n', 'body')),
  refused(post('Content-Length: -0\r\n')),
  refused(post('Content-Length: 0x4\r\n', 'body')),
  refused(post('Content-Length: 4 0\r\n', 'body')),
  refused(post('Content-Length: 4\xa0\r\n', 'body')),
  refused(post('Content-Length:\r\n')),
  refused(post('Content-Length: 99999999999999999999\r\n')),
  refused(post('Content-Length : 4\r\n', 'body')),
  refused(post('Content-Length\t: 4\r\n', 'body')),
  refused(post('Content-Length: 4\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n')),
  refused(post('Transfer-Encoding: chunked\r\nContent-Length: 4\r\n', '0\r\n\r\n')),
  refused(post('Transfer-Encoding : chunked\r\n', '0\r\n\r\n')),
  refused(post('Transfer-Encoding: xchunked\r\n', '0\r\n\r\n')),
  refused(post('Transfer-Encoding: chunked, identity\r\n', '0\r\n\r\n')),
  refused(post('Transfer-Encoding: chunked\xa0\r\n', '0\r\n\r\n')),
  refused(post('Transfer-Encoding:\x0bchunked\r\n', '0\r\n\r\n')),
  refused(post('Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n', '0\r\n\r\n')),
  refused(post(' Transfer-Encoding: chunked\r\n', '0\r\n\r\n')),
  unlike(NO_CODINGS, post('Transfer-Encoding: gzip, chunked\r\n', '0\r\n\r\n')),
  unlike(OLD_CHUNKS, 'POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'),

  // Chunks.
  refused(`${chunked}1 \r\nx\r\n0\r\n\r\n`),
  refused(`${chunked} 1\r\nx\r\n0\r\n\r\n`),
  refused(`${chunked}0x1\r\nx\r\n0\r\n\r\n`),
  refused(`${chunked}+1\r\nx\r\n0\r\n\r\n`),
  refused(`${chunked}1\nx\r\n0\r\n\r\n`),
  refused(`${chunked}1\r\nx\n0\r\n\r\n`),
  refused(`${chunked}1\r\nxy\r\n0\r\n\r\n`),
  refused(`${chunked}1;a\nb\r\nx\r\n0\r\n\r\n`),
  refused(`${chunked}1;a\rb\r\nx\r\n0\r\n\r\n`),
  refused(`${chunked}0\r\nno colon\r\n\r\n`),
  refused(`${chunked}0\r\n folded\r\n\r\n`),
  refused(`${chunked}\r\n0\r\n\r\n`),

  // Lines.
  refused(`GET / HTTP/1.1\n${H}\r\n`),
  refused('GET / HTTP/1.1\r\nHost: h\n\r\n'),
  refused('GET / HTTP/1.1\r\nHost: h\r\n\n\r\n\r\n'),
  refused('GET / HTTP/1.1\r\nHost: h\rX: y\r\n\r\n'),
  refused(`GET / HTTP/1.1\r\n${H}X: a\r\n b\r\n\r\n`.replace('X: a\r\n b', 'X\r\n: a')),
  refused(`GET / HTTP/1.1\r\n${H}X: a\0b\r\n\r\n`),
  refused(`GET / HTTP/1.1\r\n${H}X y: a\r\n\r\n`),
  refused(`GET / HTTP/1.1\r\n${H}: a\r\n\r\n`),
  refused(`GET / HTTP/1.1\r\n${H}\xe4: a\r\n\r\n`),
  refused('GET / HTTP/1.1\r\n\r\n'),
  refused(`GET / HTTP/1.2\r\n${H}\r\n`),
  unlike(VERSIONS, `GET / HTTP/2.0\r\n${H}\r\n`),
  refused(`GET / http/1.1\r\n${H}\r\n`),
  refused(`GET / HTTP/1.1 \r\n${H}\r\n`),
  unlike(ONE_SPACE, `GET  / HTTP/1.1\r\n${H}\r\n`),
  unlike(VERSIONS, `GET /\r\n${H}\r\n`),
  refused(`GET / a HTTP/1.1\r\n${H}\r\n`),
  refused(`GET a HTTP/1.1\r\n${H}\r\n`),
  refused(` GET / HTTP/1.1\r\n${H}\r\n`),
  refused(`CONNECT h:80 HTTP/1.1\r\n${H}\r\n`),
  refused('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  unlike(ONE_HOST, `GET / HTTP/1.1\r\n${H}${H}\r\n`),
  unlike(BLANK_LINES, `\n\nGET / HTTP/1.1\r\n${H}\r\n`),
  unlike(TARGETS, `GET ftp://h/ HTTP/1.1\r\n${H}\r\n`),
  unlike(ANY_METHOD, `G+T / HTTP/1.1\r\n${H}\r\n`, 'G+T /'),
]

describe('the server', () => {
  test.each(corpus)('makes of $bytes: $requests', async ({ bytes, requests }) => {
    expect((await understood(bytes)).map(brief)).toEqual(requests)
  })

  test('understands the same in whatever pieces it comes', async () => {
    const cuts = fc.array(fc.nat(), { maxLength: 8 })
    const streams = fc.array(fc.constantFrom(...corpus.map(({ bytes }) => bytes)), {
      minLength: 1,
      maxLength: 3,
    })
    await fc.assert(
      fc.asyncProperty(streams, cuts, async (parts, cuts) => {
        const text = parts.join('')
        const places = [...cuts.map((cut) => cut % (text.length + 1)), text.length]
        places.sort((a, b) => a - b)
        const pieces = places.map((end, i) => text.slice(places[i - 1] ?? 0, end))
        expect(await understood(...pieces)).toEqual(await understood(text))
      }),
      { numRuns: 300 },
    )
  }, 30_000)
})

/** What node:http understands. Its parser hands over each byte as it goes, so nothing that was read is lost. */
async function understoodByNode(bytes: string): Promise<Understood[]> {
  const found: (() => Understood | undefined)[] = []
  const server = createServer((request, response) => {
    const chunks: Uint8Array[] = []
    const { push } = request
    request.push = (chunk: Buffer | null) => {
      if (chunk) chunks.push(Uint8Array.from(chunk))
      return push.call(request, chunk)
    }
    request.on('error', () => {}).resume()
    response.writeHead(204).end()
    const { method = '', url = '', rawHeaders } = request
    found.push(() =>
      request.complete
        ? {
            method,
            target: originOf(url),
            headers: joined(rawHeaders),
            body: latin1(Buffer.concat(chunks)),
          }
        : undefined,
    )
  })
  const wire = new Wire()
  wire.on('error', () => {})
  server.emit('connection', wire)
  await send(wire, [bytes])
  wire.destroy()
  return found.map((one) => one()).filter((one) => one !== undefined)
}

/** The target as the relay's app is to see it. */
function originOf(url: string): string {
  const origin = url.replace(/^https?:\/\/[^/?#]+/i, '')
  const path = origin.startsWith('/') ? origin : `/${origin}`
  return path.replace(/[\x80-\xff]/g, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase()}`)
}

function joined(raw: readonly string[]): [string, string][] {
  const headers = new Map<string, string>()
  for (let i = 0; i < raw.length; i += 2) {
    const name = (raw[i] as string).toLowerCase()
    const before = headers.get(name)
    headers.set(name, before === undefined ? (raw[i + 1] as string) : `${before}, ${raw[i + 1]}`)
  }
  return [...headers]
}

/** Where the relay may refuse what node:http takes. */
const strictness: [why: string, pattern: RegExp][] = [
  [NO_CODINGS, /transfer-encoding:.*(,|chunked.*\n.*transfer-encoding:)/is],
  [ONE_HOST, /host:.*\r\nhost:/is],
  [OLD_CHUNKS, /HTTP\/1\.0[\s\S]*transfer-encoding:/i],
  [BLANK_LINES, /(^|\n)[\r\n]*(\n\n|\r\r|^\n|\r[^\n])/],
  [TARGETS, /^\S+ [^/]/m],
  [SIZES, /^[0-9a-f]{13,}/im],
  [ONE_SPACE, /^\S+ +\S* {2}|^\S+ {2}/m],
  [VERSIONS, /HTTP\/(?!1\.[01]\r)|^\S+ \S+\r?$/m],
]

/** Where it may take what node:http refuses. */
const leniency: [why: string, pattern: RegExp][] = [
  [TABS, /:[^\n]*\t/],
  [UPGRADES, /upgrade/i],
  [RAW_BYTES, /^\S+ [^\r\n ]*[\x80-\xff]/m],
]

function isNodeJs(): boolean {
  return !('bun' in process.versions) && !('deno' in process.versions)
}

if (isNodeJs()) {
  describe('node:http', () => {
    const alike = corpus.filter(({ otherwise }) => otherwise === undefined)
    test.each(alike)('makes the same of $bytes', async ({ bytes }) => {
      expect(await understoodByNode(bytes)).toEqual(await understood(bytes))
    })

    test('understands no less of what has been changed at random, and no more without a reason', async () => {
      const seeds = fc.constantFrom(...corpus.map(({ bytes }) => bytes))
      const place = fc.nat({ max: 1000 })
      const insert = fc.constantFrom(
        ...[
          '\r\n',
          '\r',
          '\n',
          ' ',
          '\t',
          ':',
          ';',
          ',',
          '"',
          '=',
          '0',
          '1',
          'f',
          '\0',
          '\x0b',
          '\x7f',
        ],
        ...['\x80', '\xa0', '\xff', '/', '?', '#', '*', 'x', 'HTTP/1.1', 'Host: h', 'chunked'],
        ...['Content-Length: 1', 'Transfer-Encoding: chunked', 'Connection: close', behind],
      )
      const change = fc.tuple(place, fc.nat({ max: 3 }), fc.oneof(fc.constant(''), insert))
      await fc.assert(
        fc.asyncProperty(
          seeds,
          fc.array(change, { minLength: 1, maxLength: 4 }),
          async (seed, changes) => {
            const bytes = changes.reduce((text, [at, removed, added]) => {
              const cut = at % (text.length + 1)
              return text.slice(0, cut) + added + text.slice(cut + removed)
            }, seed)
            const ours = withKnownMethods(await understood(bytes))
            const theirs = await understoodByNode(bytes)
            if (leniency.some(([, pattern]) => pattern.test(bytes))) return
            expect(ours, 'what is smuggled past node:http').toEqual(theirs.slice(0, ours.length))
            if (strictness.some(([, pattern]) => pattern.test(bytes))) return
            expect(ours, 'what is refused').toEqual(theirs)
          },
        ),
        { numRuns: Number(process.env.ORACLE_RUNS ?? 2000) },
      )
    }, 600_000)
  })
}

/** Requests up to the first whose method node:http does not know, or would have for a tunnel. */
function withKnownMethods(requests: Understood[]): Understood[] {
  const unknown = requests.findIndex(
    ({ method }) => method === 'CONNECT' || !METHODS.includes(method),
  )
  return unknown < 0 ? requests : requests.slice(0, unknown)
}
