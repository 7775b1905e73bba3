/** The HTTP clients on real sockets: what a backend may do to them. */

import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { createFetch as createNodeFetch } from '../../../src/platform/http-client.ts'
import type { Fetch, FetchOptions } from '../../../src/runtime.ts'

const patience = { timeout: 10_000, interval: 5 }

/** Waits until what was sent has arrived: both ends are in this process. */
const arrived = () => new Promise((resolve) => setTimeout(resolve, 100))

const options = { ca: undefined, skipTlsVerification: false }
const clients: [name: string, createFetch: (options: FetchOptions) => Fetch][] = [
  ['node:http', createNodeFetch],
]
if (process.versions.bun) {
  const module = '../../../src/platform/bun-client.ts' // by a name that the types for Node.js need not know
  const { createFetch } = await import(module)
  clients.push(["Bun's fetch", createFetch])
}

const NO_CONTENT = 'HTTP/1.1 204 No Content\r\n\r\n'
const withBody = (body: string) =>
  `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`

/** What a backend does with a request, which ends in `end.` if it has a body. */
type Script = (socket: Socket, request: string) => unknown

/** A backend that answers as its script says, and remembers what it was sent on which connection. */
class Backend {
  readonly requests: { connection: number; text: string }[] = []
  readonly sockets: Socket[] = []
  script: Script
  private readonly server = createServer((socket) => this.accept(socket))

  constructor(script: Script) {
    this.script = script
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.server.address() as { port: number }).port}`
  }

  async start(): Promise<void> {
    this.server.listen(0, '127.0.0.1')
    await once(this.server, 'listening')
  }

  stop(): void {
    this.server.close()
    for (const socket of this.sockets) socket.destroy()
  }

  /** The connections that carried the requests, in their order. */
  get connections(): number[] {
    return this.requests.map(({ connection }) => connection)
  }

  private accept(socket: Socket): void {
    const connection = this.sockets.push(socket) - 1
    let text = ''
    socket.on('error', () => {})
    socket.on('data', (bytes) => {
      text += bytes.toString('latin1')
      for (let end = text.indexOf('end.'); end >= 0; end = text.indexOf('end.')) {
        const request = text.slice(0, end + 4)
        text = text.slice(end + 4)
        this.requests.push({ connection, text: request })
        this.script(socket, request)
      }
    })
  }
}

async function start(script: Script): Promise<Backend> {
  const backend = new Backend(script)
  await backend.start()
  onTestFinished(() => backend.stop())
  return backend
}

const answering =
  (...pieces: string[]): Script =>
  async (socket) => {
    for (const piece of pieces) {
      socket.write(Buffer.from(piece, 'latin1'))
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
  }

const never = () => new AbortController().signal
const body = Buffer.from('m v=1 end.')

function post(fetch: Fetch, { origin }: Pick<Backend, 'origin'>, signal = never()) {
  return fetch(`${origin}/write?db=d`, { method: 'POST', headers: {}, body, signal })
}

describe.each(clients)('by %s', (name, createFetch) => {
  describe('a request', () => {
    test('has its target, headers and body, and where it goes', async () => {
      const backend = await start(answering(NO_CONTENT))
      const headers = { authorization: 'Basic \xe4', 'content-type': 'text/plain' }
      const url = `${backend.origin}/write?db=d`
      await createFetch(options)(url, { method: 'POST', headers, body, signal: never() })
      const [head = '', sent] = backend.requests[0]?.text.split('\r\n\r\n') ?? []
      const [line, ...fields] = head.split('\r\n')
      expect([line, sent]).toEqual(['POST /write?db=d HTTP/1.1', 'm v=1 end.'])
      expect(fields.map((field) => field.replace(/^[^:]+/, (name) => name.toLowerCase()))).toEqual(
        expect.arrayContaining([
          `host: ${new URL(backend.origin).host}`,
          'authorization: Basic \xe4',
          'content-type: text/plain',
          'content-length: 10',
        ]),
      )
    })

    test('may be large', async () => {
      const backend = await start(answering(NO_CONTENT))
      const body = Buffer.concat([Buffer.alloc(5_000_000, 'x'), Buffer.from('end.')])
      const request = { method: 'POST', headers: {}, body, signal: never() }
      await createFetch(options)(`${backend.origin}/write`, request)
      expect(backend.requests[0]?.text).toContain(`\r\n\r\n${body.toString()}`)
    })

    test('is sent unchanged after others on its connection, whatever their sizes', async () => {
      const backend = await start(answering(NO_CONTENT))
      const fetch = createFetch(options)
      const bodies = [10, 40_000, 2_000, 65_536, 65_537, 3, 40_000].map((length, i) =>
        Buffer.concat([Buffer.alloc(length, `${i}`), Buffer.from('end.')]),
      )
      for (const body of bodies) {
        await fetch(`${backend.origin}/write`, {
          method: 'POST',
          headers: {},
          body,
          signal: never(),
        })
      }
      const sent = backend.requests.map(({ text }) => text.slice(text.indexOf('\r\n\r\n') + 4))
      expect(sent).toEqual(bodies.map(String))
    })

    test.each([
      ['/a b', {}],
      ['/a\r\nb: c', {}],
      ['/\u010d\u010a', {}],
      ['/', { authorization: 'a\r\nb: c' }],
      ['/', { authorization: 'a\0' }],
      // As one byte a character, these would be CR and LF.
      ['/', { authorization: 'a\u010d\u010ab: c' }],
    ])('to %j with %j is not sent as it is: it would be two', async (target, headers) => {
      const backend = await start(answering(NO_CONTENT))
      const fetch = createFetch(options)
      const sending = fetch(`${backend.origin}${target}`, {
        method: 'POST',
        headers,
        body,
        signal: never(),
      })
      await sending.catch(() => {})
      await post(fetch, backend)
      for (const { text } of backend.requests) expect(text).not.toMatch(/\nb: c/)
      expect(backend.requests.at(-1)?.text).toContain('POST /write?db=d HTTP/1.1')
    })
  })

  describe('a response', () => {
    const respond = async (...pieces: string[]) => {
      const backend = await start(answering(...pieces))
      const response = await post(createFetch(options), backend)
      return { status: response.status, headers: response.headers, body: await response.text() }
    }

    test.each([
      ['without a body', [NO_CONTENT], 204, ''],
      ['of known length', [withBody('body')], 200, 'body'],
      ['byte by byte', [...withBody('body')], 200, 'body'],
      [
        'after interim ones',
        ['HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 X\r\nA: b\r\n\r\n', withBody('b')],
        200,
        'b',
      ],
      [
        'in chunks',
        ['HTTP/1.1 400 X\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n', '2\r\ndy\r\n0\r\n\r\n'],
        400,
        'body',
      ],
      ['with a status that has no body', ['HTTP/1.1 205 X\r\nContent-Length: 1\r\n\r\nx'], 205, ''],
      ['without a reason', ['HTTP/1.1 503\r\nContent-Length: 0\r\n\r\n'], 503, ''],
    ])('may come %s', async (_, pieces, status, body) => {
      expect(await respond(...pieces)).toMatchObject({ status, body })
    })

    test('may last until the connection is closed', async () => {
      const backend = await start((socket) => socket.end('HTTP/1.1 200 OK\r\n\r\nbody'))
      const fetch = createFetch(options)
      for (let i = 0; i < 2; i++) expect(await (await post(fetch, backend)).text()).toBe('body')
      expect(backend.connections).toEqual([0, 1])
    })

    test('may come before the request is sent, if the server reads no more of it', async () => {
      const server = createServer((socket) => {
        socket.on('error', () => {})
        socket.once('readable', () => socket.write('HTTP/1.1 413 X\r\nContent-Length: 0\r\n\r\n'))
      })
      server.listen(0, '127.0.0.1')
      onTestFinished(() => void server.close())
      await once(server, 'listening')
      const url = `http://127.0.0.1:${(server.address() as { port: number }).port}/write`
      const fetch = createFetch(options)
      for (let i = 0; i < 2; i++) {
        const request = {
          method: 'POST',
          headers: {},
          body: Buffer.alloc(64_000_000),
          signal: never(),
        }
        expect((await fetch(url, request)).status).toBe(413)
      }
    })

    test('may have control bytes in its head, as influxd sends them', async () => {
      const { headers } = await respond('HTTP/1.1 204 X\r\nX-E: a\x00b\x01\x1b\x7fc\r\n\r\n')
      expect(headers.get('x-e')).toBe('a b   c')
    })

    test.each([
      ['that is no HTTP', 'lorem ipsum\r\n\r\n'],
      ['with a broken length', 'HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n'],
      ['with broken chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n'],
      ['with a head of 300 kB', `HTTP/1.1 200 OK\r\nA: ${'x'.repeat(300_000)}`],
    ])('%s is an error', async (_, bytes) => {
      const backend = await start((socket) => socket.end(bytes))
      const answer = post(createFetch(options), backend).then((response) => response.text())
      await expect(answer).rejects.toThrow()
    })

    test.each([600, 999])('with the status %i is no success', async (status) => {
      const backend = await start(answering(`HTTP/1.1 ${status} X\r\nContent-Length: 0\r\n\r\n`))
      const sending = post(createFetch(options), backend)
      // Bun's fetch takes every status.
      expect(
        await sending.then(
          ({ ok }) => ok,
          () => false,
        ),
      ).toBe(false)
    })

    test.each([
      ['nothing', ''],
      ['half a head', 'HTTP/1.1 2'],
      ['half a body', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nbody'],
      ['half a chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbody'],
      ['an interim one', 'HTTP/1.1 100 Continue\r\n\r\n'],
    ])('is an error if the connection is closed after %s', async (_, bytes) => {
      const backend = await start((socket) => socket.end(bytes))
      const sending = post(createFetch(options), backend).then((response) => response.text())
      await expect(sending).rejects.toThrow(/hang up|ECONNRESET|closed|aborted/)
      expect(backend.requests.length).toBeLessThanOrEqual(name === 'node:http' ? 1 : 2)
    })
  })

  describe('a connection', () => {
    test('serves one request after another', async () => {
      const backend = await start(answering(withBody('body')))
      const fetch = createFetch(options)
      for (let i = 0; i < 5; i++) expect(await (await post(fetch, backend)).text()).toBe('body')
      expect(backend.connections).toEqual([0, 0, 0, 0, 0])
    })

    test('is of one request at a time, and as many are kept as may be needed again', async () => {
      const waiting: Socket[] = []
      const backend = await start((socket) => {
        waiting.push(socket)
        if (waiting.length === 80) for (const one of waiting.splice(0)) one.write(NO_CONTENT)
      })
      const fetch = createFetch(options)
      await Promise.all(Array.from({ length: 80 }, () => post(fetch, backend)))
      const open = () => backend.sockets.filter(({ destroyed }) => !destroyed).length
      await vi.waitFor(() => expect(open()).toBe(64), patience)
      await Promise.all(Array.from({ length: 80 }, () => post(fetch, backend)))
      expect(backend.sockets).toHaveLength(80 + 16)
    })

    test.each([
      ['that says so', 'HTTP/1.1 204 X\r\nConnection: close\r\n\r\n'],
      ['of HTTP/1.0', 'HTTP/1.0 200 X\r\nContent-Length: 0\r\n\r\n'],
      ['with bytes after it', `${withBody('body')}more`],
    ])('is closed after an answer %s', async (_, bytes) => {
      const backend = await start(answering(bytes))
      const fetch = createFetch(options)
      for (let i = 0; i < 2; i++) await post(fetch, backend)
      expect(backend.connections).toEqual([0, 1])
      await vi.waitFor(() => expect(backend.sockets[0]?.destroyed).toBe(true), patience)
    })

    test('on which the backend speaks unasked is closed, and what it said is no answer', async () => {
      const backend = await start(answering(NO_CONTENT))
      const fetch = createFetch(options)
      await post(fetch, backend)
      backend.sockets[0]?.write('HTTP/1.1 408 Request Timeout\r\n\r\n')
      await vi.waitFor(() => expect(backend.sockets[0]?.destroyed).toBe(true), patience)
      expect((await post(fetch, backend)).status).toBe(204)
      expect(backend.connections).toEqual([0, 1])
    })

    test.each([
      ['ended', (socket: Socket) => socket.end()],
      ['reset', (socket: Socket) => socket.resetAndDestroy()],
    ])('that was %s while it was idle is not used again', async (_, close) => {
      const backend = await start(answering(NO_CONTENT))
      const fetch = createFetch(options)
      await post(fetch, backend)
      close(backend.sockets[0] as Socket)
      await arrived()
      expect((await post(fetch, backend)).status).toBe(204)
      expect(backend.connections).toEqual([0, 1])
    })

    test('that is closed under a request has it sent again on a new one, once', async () => {
      const backend = await start(answering(NO_CONTENT))
      const fetch = createFetch(options)
      await post(fetch, backend)
      await arrived() // Deno gives a connection back a little later
      backend.script = (socket) => socket.destroy()
      await expect(post(fetch, backend)).rejects.toThrow(/hang up|ECONNRESET|closed/)
      expect(backend.connections).toEqual([0, 0, 1])
    })

    test('that is closed in the middle of an answer does not have it sent again', async () => {
      const backend = await start(answering(NO_CONTENT))
      const fetch = createFetch(options)
      await post(fetch, backend)
      await arrived() // Deno gives a connection back a little later
      backend.script = (socket) => socket.end('HTTP/1.1 500')
      await expect(post(fetch, backend)).rejects.toThrow(/hang up|ECONNRESET|closed/)
      // Bun's fetch and Deno cannot tell whether anything of an answer has come.
      const canTell = name === 'node:http' && !('deno' in process.versions)
      expect(backend.connections).toEqual(canTell ? [0, 0] : [0, 0, 1])
    })

    test('is not delayed by hundreds of requests to another backend that does not answer', async () => {
      const silent = await start(() => {})
      const fetch = createFetch(options)
      const controllers = Array.from({ length: 300 }, () => new AbortController())
      const hanging = controllers.map(({ signal }) => post(fetch, silent, signal))
      const ended = Promise.allSettled(hanging)
      await vi.waitFor(() => expect(silent.requests).toHaveLength(300), patience)
      const backend = await start(answering(NO_CONTENT))
      expect((await post(createFetch(options), backend)).status).toBe(204)
      for (const controller of controllers) controller.abort()
      await ended
    })

    test('that cannot be made says why', async () => {
      const backend = await start(answering(NO_CONTENT))
      const { origin } = backend
      backend.stop()
      const fetch = createFetch(options)
      await expect(post(fetch, { origin })).rejects.toMatchObject({ code: 'ECONNREFUSED' })
      const nowhere = { origin: 'http://no-such-host.invalid' }
      await expect(post(fetch, nowhere)).rejects.toMatchObject({
        code: expect.stringMatching(/ENOTFOUND|EAI_AGAIN/),
      })
    })
  })

  describe('a signal', () => {
    const reason = new Error('enough')

    test('ends a request that waits for its answer, with its connection', async () => {
      const backend = await start(() => {})
      const fetch = createFetch(options)
      const controller = new AbortController()
      const sending = post(fetch, backend, controller.signal)
      await vi.waitFor(() => expect(backend.requests).toHaveLength(1), patience)
      controller.abort(reason)
      await expect(sending).rejects.toBe(reason)
      await vi.waitFor(() => expect(backend.sockets[0]?.destroyed).toBe(true), patience)
      backend.script = answering(NO_CONTENT)
      expect((await post(fetch, backend)).status).toBe(204)
      expect(backend.connections).toEqual([0, 1])
    })

    test('ends one in the middle of an answer', async () => {
      const backend = await start(answering('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nbody'))
      const controller = new AbortController()
      const response = await post(createFetch(options), backend, controller.signal)
      const reading = response.text()
      controller.abort(reason)
      await expect(reading).rejects.toThrow()
    })

    test('that has aborted already has nothing sent', async () => {
      const backend = await start(answering(NO_CONTENT))
      const fetch = createFetch(options)
      await expect(post(fetch, backend, AbortSignal.abort(reason))).rejects.toBe(reason)
      await post(fetch, backend)
      await expect(post(fetch, backend, AbortSignal.abort(reason))).rejects.toBe(reason)
      await arrived()
      expect(backend.requests).toHaveLength(1)
    })

    test.each(['http', 'https'])(
      'ends one by %s whose connection is being made',
      async (protocol) => {
        const backend = await start(() => {})
        const origin = backend.origin.replace('http', protocol)
        const controller = new AbortController()
        const sending = post(createFetch(options), { origin }, controller.signal)
        if (protocol === 'https')
          await vi.waitFor(() => expect(backend.sockets).toHaveLength(1), patience)
        controller.abort(reason)
        await expect(sending).rejects.toBe(reason)
      },
    )

    test('is left alone once its request is over', async () => {
      const backend = await start(answering(NO_CONTENT))
      const { signal } = new AbortController()
      const added = vi.spyOn(signal, 'addEventListener')
      const removed = vi.spyOn(signal, 'removeEventListener')
      const fetch = createFetch(options)
      for (let i = 0; i < 3; i++) await post(fetch, backend, signal)
      backend.script = (socket) => socket.destroy()
      await expect(post(fetch, backend, signal)).rejects.toThrow()
      await vi.waitFor(() => expect(removed.mock.calls).toEqual(added.mock.calls), patience)
    })
  })
})
