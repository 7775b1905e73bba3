/** Responses as bytes, and bytes as responses. */

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type ResponseContext, ResponseWriter } from '../src/platform/http-response.ts'
import { ResponseReader } from '../src/platform/response-reader.ts'

const plain: ResponseContext = { head: { method: 'POST', isOld: false }, keepAlive: true, now: 0 }

async function written(response: Response, context: Partial<ResponseContext> = {}) {
  const bytes = await new ResponseWriter().write(response, { ...plain, ...context })
  return bytes.toString('latin1').replace(/^date: \w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT$/m, 'date')
}

describe('a response is written', () => {
  const lines = (...all: string[]) => all.join('\r\n')

  test('with its length', async () => {
    const headers = { 'content-type': 'a/b', 'x-e': '\xe4' }
    const response = new Response('body', { status: 400, headers })
    expect(await written(response)).toBe(
      lines(
        'HTTP/1.1 400 Bad Request',
        'content-type: a/b',
        'x-e: \xe4',
        'content-length: 4',
        'date',
        '',
        'body',
      ),
    )
  })

  test.each([
    [200, 'content-length: 0'],
    [204, undefined],
    [304, undefined],
  ])('with status %i and no body', async (status, length) => {
    expect(await written(new Response(null, { status }))).toMatch(/\r\ndate\r\n\r\n$/)
    const found = /content-length: \d+/.exec(await written(new Response(null, { status })))
    expect(found?.[0]).toBe(length)
  })

  test('with a status that has no name', async () => {
    expect(await written(new Response(null, { status: 299 }))).toMatch(/^HTTP\/1\.1 299 Unknown\r/)
  })

  test('to HEAD without its body', async () => {
    const head = { method: 'HEAD', isOld: false }
    const text = await written(new Response('body'), { head })
    expect(text).toMatch(/content-length: 4\r\n/)
    expect(text).toMatch(/\r\n\r\n$/)
    expect(await written(new Response(null), { head })).not.toContain('content-length')
  })

  test.each([
    [true, false, undefined],
    [false, false, 'connection: close'],
    [true, true, 'connection: keep-alive'],
    [false, true, 'connection: close'],
  ])('keepAlive %s to an old client %s says %s', async (keepAlive, isOld, expected) => {
    const text = await written(new Response(null), { keepAlive, head: { method: 'GET', isOld } })
    expect(/connection: [\w-]+/.exec(text)?.[0]).toBe(expected)
  })

  test('anew for each client, though the same comes again and again', async () => {
    const writer = new ResponseWriter()
    const response = new Response(null, { status: 204 })
    const write = async (context: Partial<ResponseContext>) =>
      (await writer.write(response, { ...plain, ...context })).toString()
    const first = await write({})
    expect(await write({ keepAlive: false })).toContain('connection: close')
    expect(await write({ head: { method: 'GET', isOld: true } })).toContain('keep-alive')
    expect(await write({})).toBe(first)
    const other = await writer.write(new Response(null, { status: 200 }), plain)
    expect(other.toString()).toContain('200 OK')
    expect(await write({})).toBe(first)
  })
})

describe('a response is read', () => {
  test('as it was written, in whatever pieces it comes', async () => {
    const places = fc.array(fc.nat(), { maxLength: 20 })
    const body = fc.uint8Array({ maxLength: 200 })
    await fc.assert(
      fc.asyncProperty(
        body,
        fc.constantFrom(200, 400, 503),
        places,
        async (body, status, places) => {
          const headers = { 'x-a': 'b \xe4' }
          const sent = await new ResponseWriter().write(
            new Response(body, { status, headers }),
            plain,
          )
          const cuts = [0, ...places.map((place) => place % sent.length), sent.length]
          cuts.sort((a, b) => a - b)
          const reader = new ResponseReader()
          const found = cuts.slice(1).map((end, i) => reader.receive(sent.subarray(cuts[i], end)))
          const read = found.find((one) => one !== undefined) as Response
          expect(read.status).toBe(status)
          expect(read.headers.get('x-a')).toBe('b \xe4')
          expect(new Uint8Array(await read.arrayBuffer())).toEqual(body)
          expect(reader.keepAlive).toBe(true)
        },
      ),
    )
  })

  test('of which the body is larger than anybody wants to know in bounded memory', async () => {
    const reader = new ResponseReader()
    reader.receive(Buffer.from(`HTTP/1.1 500 X\r\nContent-Length: ${100_000_000}\r\n\r\n`))
    const piece = Buffer.alloc(10_000_000)
    let response: Response | undefined
    for (let i = 0; i < 10; i++) response = reader.receive(piece)
    const { byteLength } = await (response as Response).arrayBuffer()
    expect(byteLength).toBeLessThan(80_000_000)
    expect(byteLength).toBeGreaterThan(60_000_000)
    expect(reader.keepAlive).toBe(true)
  })
})
