/**
 * A server that answers a relay's writes to the database `attack` with something that may harm it,
 * and every other request with 204. Run as `bun hostile-server.ts PORT BEHAVIOUR`.
 */

import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { bomb } from './bomb.ts'

const DRIP_MS = 50
const PIECES = 8 * 2 ** 20
const SLOW_MS = 300
const FILLING = Buffer.alloc(64 * 1024, 'x')
const JSON_HEAD = 'HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n'

const BEHAVIOURS = {
  /** A correct answer that is as large as no error is. */
  'large-error': (socket: Socket) => {
    const body = JSON.stringify({ error: 'x'.repeat(10_000_000) })
    socket.write(`${JSON_HEAD}Content-Length: ${body.length}\r\n\r\n${body}`)
  },
  'one-byte-chunks': (socket: Socket) => {
    socket.write(`${JSON_HEAD}Transfer-Encoding: chunked\r\n\r\n`)
    socket.write(Buffer.concat([Buffer.alloc(6 * PIECES, '1\r\nx\r\n'), Buffer.from('0\r\n\r\n')]))
  },
  'gzip-bomb': (socket: Socket) => {
    const body = bomb(1000)
    socket.write(`${JSON_HEAD}Content-Encoding: gzip\r\nContent-Length: ${body.length}\r\n\r\n`)
    socket.write(body)
  },
  garbage: (socket: Socket) => {
    socket.end(Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 7919) % 256)))
  },
  'endless-head': async (socket: Socket) => {
    socket.write('HTTP/1.1 204 No Content\r\n')
    await forever(socket, () => `X-${Math.random()}: ${FILLING.toString('latin1', 0, 1000)}\r\n`)
  },
  'endless-body': async (socket: Socket) => {
    socket.write(`${JSON_HEAD}\r\n`)
    await forever(socket, () => FILLING)
  },
  drip: async (socket: Socket) => {
    for (const byte of `${JSON_HEAD}X: ${'x'.repeat(1000)}`) {
      if (socket.destroyed) return
      socket.write(byte)
      await delay(DRIP_MS)
    }
  },
  slow: async (socket: Socket) => {
    await delay(SLOW_MS)
    store(socket)
  },
} satisfies Record<string, (socket: Socket) => unknown>

export type Behaviour = keyof typeof BEHAVIOURS

const [port, name] = process.argv.slice(2)
const behave = BEHAVIOURS[name as Behaviour]
createServer((socket) => {
  socket.on('error', () => {}) // the relay may hang up
  serve(socket)
}).listen(Number(port), '127.0.0.1')

function store(socket: Socket): void {
  socket.write('HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n')
}

async function forever(socket: Socket, next: () => string | Buffer): Promise<void> {
  while (!socket.destroyed) {
    if (socket.write(next())) await delay(0)
    else await Promise.race([once(socket, 'drain'), once(socket, 'close')])
  }
}

/** Reads requests as a relay sends them: one after another, with a Content-Length. */
function serve(socket: Socket): void {
  let head = ''
  let bodyLeft = 0
  socket.on('data', (bytes: Buffer) => {
    for (let at = 0; at < bytes.length; ) {
      if (bodyLeft === 0) {
        head += bytes.toString('latin1', at)
        const end = head.indexOf('\r\n\r\n')
        if (end < 0) return
        at = bytes.length - (head.length - end - 4)
        head = head.slice(0, end)
        bodyLeft = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0)
      }
      const taken = Math.min(bodyLeft, bytes.length - at)
      at += taken
      bodyLeft -= taken
      if (bodyLeft > 0) return
      const hostile = head.includes('db=attack')
      head = ''
      if (hostile) void behave(socket)
      else store(socket)
    }
  })
}
