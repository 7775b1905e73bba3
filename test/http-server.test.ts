/** The HTTP server on real sockets: what clients may do to it, and what a handler may. */

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import * as tls from 'node:tls'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { connect, gate, patience, serve, settled } from './http-fixture.ts'

const KB = 1024
const MB = 1024 * KB

const POST = 'POST /write?db=d HTTP/1.1\r\nHost: relay\r\n'
const GET = 'GET /ping HTTP/1.1\r\nHost: relay\r\n\r\n'

const post = (body: string) => `${POST}Content-Length: ${body.length}\r\n\r\n${body}`

/** Answers with the request's body. */
const echo = async (request: Request) => new Response(await request.bytes())

const empty = () => new Response(null, { status: 204 })

describe('a request', () => {
  test('may come in a piece with half of the next one', async () => {
    const { open } = await serve(echo)
    const connection = await open()
    const second = post('second')
    connection.send(post('first') + second.slice(0, 20))
    expect(await connection.answer()).toMatchObject({ status: 200, body: 'first' })
    connection.send(second.slice(20))
    expect(await connection.answer()).toMatchObject({ status: 200, body: 'second' })
  })

  test('may come byte by byte', async () => {
    const { open } = await serve(echo)
    const connection = await open()
    for (const byte of post('body')) connection.send(byte)
    expect(await connection.answer()).toMatchObject({ status: 200, body: 'body' })
  })

  test('shows its method, URL and headers to the handler', async () => {
    const { open } = await serve(({ method, url, headers }) =>
      Response.json([method, url, headers.get('X-Some'), headers.has('x-none'), [...headers]]),
    )
    const connection = await open()
    connection.send('GET /a/b?c=%20&d=\xfc HTTP/1.1\r\nHost: h\r\nX-Some: value\r\n\r\n')
    expect(JSON.parse((await connection.answer())?.body ?? '')).toEqual([
      'GET',
      'http://relay/a/b?c=%20&d=%C3%BC',
      'value',
      false,
      [
        ['host', 'h'],
        ['x-some', 'value'],
      ],
    ])
  })

  test('of HTTP/1.0 keeps its connection only if it asks for that', async () => {
    const { open } = await serve(empty)
    const connection = await open()
    connection.send('GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n')
    expect((await connection.answer())?.headers).toMatchObject({ connection: 'keep-alive' })
    connection.send('GET / HTTP/1.0\r\n\r\n')
    expect((await connection.answer())?.headers).toMatchObject({ connection: 'close' })
    await connection.closed()
  })

  test('that is refused is answered once, however it goes on', async () => {
    const { open } = await serve(empty)
    const connection = await open()
    for (let i = 0; i < 40; i++) connection.send(`GET / HTTP/1.1\r\nX: ${'x'.repeat(32 * KB)}`)
    expect(await connection.answer()).toMatchObject({
      status: 431,
      headers: { connection: 'close' },
      body: '{"error":"request head too large"}\n',
    })
    expect(await connection.answer()).toBeUndefined()
  })

  test('with HEAD is answered without a body', async () => {
    const { open } = await serve(() => new Response('not shown'))
    const connection = await open()
    connection.send(`HEAD / HTTP/1.1\r\nHost: h\r\n\r\n${GET}`)
    const socket = await connect((await serve(() => new Response('not shown'))).port)
    socket.write('HEAD / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n')
    const chunks: Buffer[] = []
    for await (const chunk of socket) chunks.push(chunk)
    const text = Buffer.concat(chunks).toString()
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    expect(text).toMatch(/content-length: 9\r\n[\s\S]*\r\n\r\n$/)
  })
})

describe('a client that asks whether to go on', () => {
  const asking = `${POST}Expect: 100-continue\r\n`

  test('is told so once, also if its body is read piece by piece', async () => {
    const { open } = await serve(async (request) => {
      const pieces: Uint8Array[] = []
      await drain(request, (piece) => pieces.push(piece))
      return new Response(Buffer.concat(pieces).toString())
    })
    const connection = await open()
    connection.send(`${asking}Transfer-Encoding: chunked\r\n\r\n`)
    expect((await connection.answer())?.status).toBe(100)
    for (const piece of ['one', 'two', 'six']) {
      connection.send(`3\r\n${piece}\r\n`)
      await settled(() => 0)
    }
    connection.send('0\r\n\r\n')
    expect(await connection.answer()).toMatchObject({ status: 200, body: 'onetwosix' })
    connection.send(GET)
    expect((await connection.answer())?.status).toBe(200)
  })

  test.each([
    ['has gone on already', `${asking}Content-Length: 4\r\n\r\nbody`],
    ['has nothing to send', `${asking}Content-Length: 0\r\n\r\n`],
    ['speaks HTTP/1.0', 'POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\nbody'],
  ])('is not told so if it %s', async (_, request) => {
    const { open } = await serve(echo)
    const connection = await open()
    connection.send(request)
    expect((await connection.answer())?.status).toBe(200)
  })

  test('is told the answer, and closed, if its body is not wanted', async () => {
    const { open } = await serve(empty)
    const connection = await open()
    connection.send(`${asking}Content-Length: 4\r\n\r\n`)
    expect(await connection.answer()).toMatchObject({
      status: 204,
      headers: { connection: 'close' },
    })
    await connection.closed()
  })
})

describe('a client that closes its half', () => {
  test('behind a whole request gets its answer, however late the body is read', async () => {
    const ended = gate()
    const { port } = await serve(async (request) => {
      await ended.promise
      return echo(request)
    })
    const socket = await connect(port)
    socket.end(post('body'))
    await once(socket, 'finish')
    await settled(() => 0)
    ended.open()
    const chunks: Buffer[] = []
    for await (const chunk of socket) chunks.push(chunk)
    expect(Buffer.concat(chunks).toString()).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\nbody$/)
  })

  test('behind several requests gets all answers', async () => {
    const { port } = await serve(echo)
    const socket = await connect(port)
    socket.end(post('one') + post('two') + post('six'))
    const chunks: Buffer[] = []
    for await (const chunk of socket) chunks.push(chunk)
    const bodies = Buffer.concat(chunks)
      .toString()
      .match(/(?<=\r\n\r\n)\w{3}/g)
    expect(bodies).toEqual(['one', 'two', 'six'])
  })

  test.each([
    ['nothing', ''],
    ['half a head', POST],
    ['an answered request', GET],
    ['an answered request and half a head', GET + POST],
  ])('behind %s is closed', async (_, bytes) => {
    const { port } = await serve(empty)
    const socket = await connect(port)
    socket.end(bytes)
    socket.resume()
    await once(socket, 'close')
  })

  test.each([
    ['known length', 'Content-Length: 5\r\n\r\nbody'],
    ['chunks', 'Transfer-Encoding: chunked\r\n\r\n5\r\nbody'],
  ])('in a body of %s breaks its reader off', async (_, half) => {
    const failed = gate<unknown>()
    const { port } = await serve(async (request) => {
      const reading = request.headers.has('content-length') ? request.bytes() : drain(request)
      failed.open(await reading.catch((error: unknown) => error))
      return empty()
    })
    const socket = await connect(port)
    socket.end(`${POST}${half}`)
    expect(await failed.promise).toEqual(new Error('the client has gone'))
  })
})

/** Reads a body to its end, or to its failure. */
async function drain(request: Request, use?: (piece: Uint8Array) => void): Promise<number> {
  let bytes = 0
  for await (const piece of request.body ?? []) {
    use?.(piece)
    bytes += piece.length
  }
  return bytes
}

describe('a client that is cut off', () => {
  test('in its body breaks the reader off, and harms nobody', async () => {
    const failed = gate<unknown>()
    const { open } = await serve(async (request) => {
      const bytes = await request.bytes().catch((error: unknown) => error)
      if (bytes instanceof Error) failed.open(bytes)
      return empty()
    })
    const connection = await open()
    connection.send(`${POST}Content-Length: 5\r\n\r\nbo`)
    await settled(() => 0)
    connection.hangUp()
    expect(await failed.promise).toEqual(new Error('the client has gone'))
    const other = await open()
    other.send(GET)
    expect((await other.answer())?.status).toBe(204)
  })

  test('before its answer is written harms nobody, and what it sent after that is not served', async () => {
    const release = gate()
    const seen: string[] = []
    const { open } = await serve(async ({ url }) => {
      seen.push(url)
      await release.promise
      return new Response('x'.repeat(MB))
    })
    const connection = await open()
    connection.send(GET + GET)
    await vi.waitFor(() => expect(seen).toHaveLength(1), patience)
    connection.hangUp()
    await settled(() => 0)
    release.open()
    const other = await open()
    other.send(GET)
    expect((await other.answer())?.status).toBe(200)
    expect(seen).toHaveLength(2)
  })
})

describe('a client that does not read', () => {
  test('does not have more requests served than it has read answers', async () => {
    let served = 0
    const { port } = await serve(() => {
      served++
      return new Response('x'.repeat(MB / 2))
    })
    const socket = await connect(port)
    for (let i = 0; i < 100; i++) socket.write(GET)
    expect(await settled(() => served)).toBeLessThan(50)
    let bytes = 0
    for await (const piece of socket) {
      bytes += piece.length
      if (bytes > 50 * MB) break
    }
    expect(served).toBe(100)
  })

  test.each([
    ['and asks for more', GET.repeat(2)],
    ['and asks for no more', GET],
    ['its last answer', GET.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n')],
  ])('is cut off in time %s', async (_, requests) => {
    const { port, server } = await serve(() => new Response('x'.repeat(32 * MB)), {
      readTimeoutMs: 100,
    })
    const socket = await connect(port)
    socket.write(requests)
    await once(socket, 'readable')
    await server.stop(new AbortController().signal)
  })

  test('its last answer at once still gets all of it', async () => {
    const { port } = await serve(() => new Response('x'.repeat(16 * MB)))
    const socket = await connect(port)
    socket.write(GET.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'))
    await new Promise((resolve) => setTimeout(resolve, 2500)) // longer than the server lingers
    let bytes = 0
    for await (const piece of socket) bytes += piece.length
    expect(bytes).toBeGreaterThan(16 * MB)
  })
})

describe('a handler', () => {
  test('slows down a client whose body it does not read', async () => {
    const release = gate()
    let firstPiece = 0
    const { port } = await serve(async (request) => {
      await release.promise
      await drain(request, (piece) => {
        firstPiece ||= piece.length
      })
      return empty()
    })
    const socket = await connect(port)
    socket.write(`${POST}Content-Length: ${64 * MB}\r\n\r\n`)
    const block = Buffer.alloc(MB)
    for (let i = 0; i < 64; i++) socket.write(block)
    await settled(() => socket.writableLength)
    expect(socket.writableLength).toBeGreaterThan(0)
    release.open()
    const [answer] = await once(socket, 'data')
    expect(String(answer)).toMatch(/^HTTP\/1\.1 204/)
    expect(firstPiece).toBeLessThan(MB)
  })

  test('that does not read a small body has it read to nowhere', async () => {
    const { open } = await serve(empty)
    const connection = await open()
    connection.send(`${POST}Content-Length: 9\r\n\r\nGET `)
    expect((await connection.answer())?.headers.connection).toBeUndefined()
    connection.send(`/ HTT${GET}`)
    expect((await connection.answer())?.status).toBe(204)
    expect(connection.isClosed).toBe(false)
  })

  test.each([
    ['a large body', `Content-Length: ${300 * KB}\r\n\r\n`],
    ['chunks', 'Transfer-Encoding: chunked\r\n\r\n'],
  ])('that does not read %s has the connection closed behind its answer', async (_, rest) => {
    const { open } = await serve(empty)
    const connection = await open()
    connection.send(POST + rest)
    expect((await connection.answer())?.headers).toMatchObject({ connection: 'close' })
    await connection.closed()
  })

  test('that stops reading while it waits does not make a request of the rest', async () => {
    const seen: string[] = []
    const { open } = await serve(async (request) => {
      seen.push(request.method)
      const reader = (request.body as ReadableStream<Uint8Array>).getReader()
      void reader.read().catch(() => {})
      await settled(() => 0)
      await reader.cancel()
      return empty()
    })
    const connection = await open()
    connection.send(`${POST}Content-Length: ${GET.length}\r\n\r\n`)
    expect((await connection.answer())?.status).toBe(204)
    connection.send(GET)
    await settled(() => 0)
    expect(seen).toEqual(['POST'])
  })

  test.each([
    [
      'throws',
      () => {
        throw new Error('oh')
      },
    ],
    ['rejects', () => Promise.reject(new Error('oh'))],
  ])('that %s is answered for with 500', async (_, fetch: () => Promise<Response>) => {
    const { open } = await serve(fetch)
    const connection = await open()
    connection.send(GET)
    expect(await connection.answer()).toMatchObject({
      status: 500,
      body: '{"error":"internal error: oh"}\n',
    })
    connection.send(GET)
    expect((await connection.answer())?.status).toBe(500)
  })

  test('whose answer fails has the connection closed', async () => {
    const failing = () =>
      new ReadableStream({
        pull: () => {
          throw new Error('oh')
        },
      })
    const { open } = await serve(() => new Response(failing()))
    for (let i = 0; i < 2; i++) {
      const connection = await open()
      connection.send(GET)
      expect(await connection.answer()).toBeUndefined()
    }
  })
})

describe('a connection that rests', () => {
  test('is closed in silence, also behind an empty line too many', async () => {
    const { port } = await serve(empty, { idleTimeoutMs: 100 })
    const socket = await connect(port)
    socket.write(GET)
    const [answer] = await once(socket, 'data')
    expect(String(answer)).toMatch(/^HTTP\/1\.1 204/)
    socket.write('\r\n')
    let rest = ''
    for await (const piece of socket) rest += piece
    expect(rest).toBe('')
  })
})

describe('connections past the limit', () => {
  test('are told so, and make room for others, although they sent a request', async () => {
    const refused = vi.fn()
    const { open } = await serve(empty, { maxConnections: 1, onRefused: refused })
    const first = await open()
    first.send(GET)
    expect((await first.answer())?.status).toBe(204)
    for (let i = 0; i < 5; i++) {
      const other = await open()
      other.send(post('body'))
      const answer = await other.answer() // unless the kernel threw it away with the request
      if (answer) expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '1' } })
      await other.closed()
    }
    expect(refused).toHaveBeenCalledTimes(5)
    first.end()
    await first.closed()
    await vi.waitFor(async () => {
      const next = await open()
      next.send(GET)
      expect((await next.answer())?.status).toBe(204)
    }, patience)
  })

  test('do not stay, although they never close', async () => {
    const { port } = await serve(empty, { maxConnections: 1 })
    const first = await connect(port)
    first.write(GET)
    await once(first, 'data')
    for (let i = 0; i < 100; i++) await connect(port)
    const last = await connect(port)
    last.resume()
    await once(last, 'end')
    last.write('x') // a server that has closed its end answers this with a reset
    await vi.waitFor(() => {
      last.write('x')
      expect(last.destroyed).toBe(true)
    }, patience)
  })
})

describe('a server that stops', () => {
  const forever = new AbortController().signal

  test('does not wait for connections that rest, are refused, or sent an empty line', async () => {
    const { server, port } = await serve(empty, { maxConnections: 3 })
    await connect(port)
    for (const bytes of [GET, `${GET}\r\n`]) {
      const socket = await connect(port)
      socket.write(bytes)
      await once(socket, 'data')
    }
    const refused = await connect(port)
    await once(refused, 'data')
    await server.stop(forever)
  })

  test('serves a request of which half the head has come', async () => {
    const { server, open } = await serve(echo)
    const connection = await open()
    connection.send(POST)
    await settled(() => 0)
    const stopped = server.stop(forever)
    connection.send('Content-Length: 4\r\n\r\nbody')
    expect(await connection.answer()).toMatchObject({
      status: 200,
      headers: { connection: 'close' },
      body: 'body',
    })
    await stopped
  })

  test('lets a client read the answer that is on its way', async () => {
    const { server, port } = await serve(() => new Response('x'.repeat(32 * MB)))
    const socket = await connect(port)
    socket.write(GET)
    await once(socket, 'readable')
    await settled(() => socket.readableLength)
    const stopped = server.stop(forever)
    let bytes = 0
    for await (const piece of socket) bytes += piece.length
    expect(bytes).toBeGreaterThan(32 * MB)
    socket.end()
    await stopped
  })

  test('cuts everybody off when its time is up', async () => {
    const { server, open } = await serve(() => new Promise<Response>(() => {}))
    const busy = await open()
    busy.send(GET)
    const slow = await open()
    slow.send(POST)
    await settled(() => 0)
    const deadline = new AbortController()
    const stopped = server.stop(deadline.signal)
    deadline.abort()
    await stopped
    await busy.closed()
    await slow.closed()
  })

  test('can be told to twice', async () => {
    const { server, open } = await serve(empty)
    await open()
    await Promise.all([server.stop(forever), server.stop(forever)])
    await server.stop(AbortSignal.abort())
  })
})

describe('a server that cannot listen', () => {
  test('says so, and leaves nothing behind', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    onTestFinished(() => void other.close())
    await once(other, 'listening')
    const { port } = other.address() as { port: number }
    const begun = vi.spyOn(globalThis, 'setInterval')
    const ended = vi.spyOn(globalThis, 'clearInterval')
    onTestFinished(() => void vi.restoreAllMocks())
    const listening = serve(empty, { bind: { host: '127.0.0.1', port } })
    await expect(listening).rejects.toMatchObject({ code: 'EADDRINUSE' })
    expect(begun.mock.results).toHaveLength(1)
    expect(ended).toHaveBeenCalledWith(begun.mock.results[0]?.value)
  })

  test('listens on every address if none is named', async () => {
    const { port } = await serve(empty, { bind: { host: '', port: 0 } })
    const socket = await connect(port)
    socket.write(GET)
    expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1\.1 204/)
  })
})

describe('a server with a certificate', () => {
  const pem = readFileSync(join(import.meta.dirname, 'contract', 'tls', 'localhost.pem'), 'utf8')

  const connectSecurely = async (port: number) => {
    const socket = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false })
    socket.on('error', () => {})
    onTestFinished(() => void socket.destroy())
    await once(socket, 'secureConnect')
    return socket
  }

  test('serves one connection after another within its limit', async () => {
    const { port } = await serve(echo, { pem, maxConnections: 1 })
    for (let i = 0; i < 3; i++) {
      const socket = await vi.waitFor(() => connectSecurely(port), patience)
      socket.write(post('body'))
      const [answer] = await once(socket, 'data')
      expect(String(answer)).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\nbody$/)
      socket.destroy()
      await once(socket, 'close')
    }
  })

  test('serves a client whose body had to wait', async () => {
    const release = gate()
    const { port } = await serve(
      async (request) => {
        await release.promise
        return new Response(String(await drain(request)))
      },
      { pem },
    )
    const socket = await connectSecurely(port)
    socket.write(`${POST}Content-Length: ${16 * MB}\r\n\r\n`)
    for (let i = 0; i < 16; i++) socket.write(Buffer.alloc(MB))
    await settled(() => socket.writableLength)
    release.open()
    const [answer] = await once(socket, 'data')
    expect(String(answer)).toMatch(new RegExp(`^HTTP/1\\.1 200[\\s\\S]*\r\n\r\n${16 * MB}$`))
  })

  test('that stops does not wait for a handshake longer than it is told to', async () => {
    const { server, port } = await serve(empty, { pem })
    const socket = await connect(port)
    socket.write('\x16\x03\x01\x02\x00\x01')
    await settled(() => 0)
    const deadline = new AbortController()
    const stopped = server.stop(deadline.signal)
    deadline.abort()
    await stopped
  })
})
