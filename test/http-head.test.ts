/** Heads of requests and responses. What node:http makes of the same bytes is in http-oracle.test.ts. */

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { HttpError, parseHead, parseResponseHead } from '../src/platform/http-head.ts'

const head = (...lines: string[]) => `${lines.join('\r\n')}\r\n`
const get = (...headers: string[]) => parseHead(head('GET / HTTP/1.1', 'Host: h', ...headers))

/** The status with which a head is refused. */
function refusal(parse: () => unknown): number {
  try {
    parse()
  } catch (error) {
    if (error instanceof HttpError) return error.status
    throw error
  }
  throw new Error('not refused')
}

describe('the head of a request', () => {
  test('has a method, a target and headers, of which names are in lower case', () => {
    const text = head('POST /write?db=d HTTP/1.1', 'Host: h', 'X-A: b c', 'x-e:', 'X-F: \t g \t')
    expect(parseHead(text)).toEqual({
      method: 'POST',
      target: '/write?db=d',
      headers: new Map(Object.entries({ host: 'h', 'x-a': 'b c', 'x-e': '', 'x-f': 'g' })),
      bodyLength: 0,
      keepAlive: true,
      isOld: false,
      expectsContinue: false,
    })
  })

  test('joins headers of one name', () => {
    expect(get('A: 1', 'a: 2', 'B: 3', 'A: 4').headers.get('a')).toBe('1, 2, 4')
  })

  test('keeps bytes beyond ASCII in headers, also those that look like blanks at an end', () => {
    expect(get('A: \xa0\xe9\xa0').headers.get('a')).toBe('\xa0\xe9\xa0')
  })

  test.each([
    ['/', '/'],
    ['/a?b#c', '/a?b#c'],
    ['//a', '//a'],
    ['/\xe4\xff', '/%E4%FF'],
    ['*', '/*'],
    ['http://h', '/'],
    ['HTTPS://h:1/a/b?c', '/a/b?c'],
    ['http://h?c', '/?c'],
    ['http://[::1]:80/', '/'],
  ])('takes the target %s for %s', (target, expected) => {
    expect(parseHead(head(`GET ${target} HTTP/1.1`, 'Host: h')).target).toBe(expected)
  })

  test.each([
    ['HTTP/1.1', [], true],
    ['HTTP/1.1', ['Connection: keep-alive'], true],
    ['HTTP/1.1', ['Connection: Close'], false],
    ['HTTP/1.1', ['Connection: foo,\tclose , bar'], false],
    ['HTTP/1.1', ['Connection: foo', 'Connection: close'], false],
    ['HTTP/1.1', ['Connection: not-close, close-not'], true],
    ['HTTP/1.0', [], false],
    ['HTTP/1.0', ['Connection: Keep-Alive'], true],
    ['HTTP/1.0', ['Connection: no-keep-alive'], false],
    ['HTTP/1.0', ['Connection: keep-alive, close'], false],
  ])('of %s with %j keeps the connection: %s', (version, headers, expected) => {
    expect(parseHead(head(`GET / ${version}`, 'Host: h', ...headers)).keepAlive).toBe(expected)
  })

  test.each([
    ['Expect: 100-Continue', 'HTTP/1.1', true],
    ['Expect: 100-continue', 'HTTP/1.0', false],
    ['Expect: 200-ok', 'HTTP/1.1', false],
  ])('with %s in %s waits to be told to go on: %s', (header, version, expected) => {
    expect(parseHead(head(`POST / ${version}`, 'Host: h', header)).expectsContinue).toBe(expected)
  })

  test.each([
    ['Content-Length: 0', 0],
    ['Content-Length: 0042 ', 42],
    ['Content-Length: 999999999999999', 999_999_999_999_999],
    ['Transfer-Encoding: chunked', 'chunked'],
    ['Transfer-Encoding: CHUNKED', 'chunked'],
  ])('with %s tells the length of the body', (header, expected) => {
    expect(get(header).bodyLength).toBe(expected)
  })

  test.each([
    [['Transfer-Encoding: gzip, chunked']],
    [['Transfer-Encoding: chunked, chunked']],
    [['Transfer-Encoding: identity']],
    [['Transfer-Encoding:']],
    [['Transfer-Encoding: chunked\xa0']],
    [['Transfer-Encoding: "chunked"']],
  ])('with %j is 501', (headers) => {
    expect(refusal(() => get(...headers))).toBe(501)
  })

  test.each([
    [['Content-Length: 1', 'Content-Length: 1']],
    [['Content-Length: 1, 1']],
    [['Content-Length: -1']],
    [['Content-Length: +1']],
    [['Content-Length: 0x1']],
    [['Content-Length: 1e1']],
    [['Content-Length: 1.0']],
    [['Content-Length: 1 1']],
    [['Content-Length: 1\xa0']],
    [['Content-Length:']],
    [['Content-Length: 1000000000000000']],
    [['Content-Length: 1', 'Transfer-Encoding: chunked']],
    [['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked']],
    [['Host: h']],
    [['No colon']],
    [[': no name']],
    [['Blank : before the colon']],
    [[' Folded: line']],
    [['A: b', ' folded']],
    [['N\xe4me: beyond ASCII']],
    [['A: \0']],
    [['A: b\rc']],
    [['A: b\nc']],
    [['A: b\r']],
    [['A: \x7f']],
    [['']],
  ])('with %j is 400', (headers) => {
    expect(refusal(() => get(...headers))).toBe(400)
  })

  test.each([
    'GET / HTTP/1.1 ',
    ' GET / HTTP/1.1',
    'GET  / HTTP/1.1',
    'GET /  HTTP/1.1',
    'GET\t/\tHTTP/1.1',
    'GET / http/1.1',
    'GET / HTTP/1.2',
    'GET / HTTP/2.0',
    'GET / HTTP/1.11',
    'GET / HTTP/1',
    'GET /',
    'GET HTTP/1.1',
    'GET  HTTP/1.1',
    '/ HTTP/1.1',
    'G@T / HTTP/1.1',
    'GET /a b HTTP/1.1',
    'GET /\x7f HTTP/1.1',
    'GET /\0 HTTP/1.1',
    'GET a HTTP/1.1',
    'GET ?a HTTP/1.1',
    'GET ** HTTP/1.1',
    'GET http:// HTTP/1.1',
    'GET ftp://h/ HTTP/1.1',
    'GET http://a@h/ HTTP/1.1',
    'GET http://h"/ HTTP/1.1',
    'GET http://h#/ HTTP/1.1',
    'CONNECT h:80 HTTP/1.1',
    'PRI * HTTP/2.0',
    '',
  ])('that begins with %j is 400', (line) => {
    expect(refusal(() => parseHead(head(line, 'Host: h')))).toBe(400)
  })

  test('of HTTP/1.1 must have a Host, and of HTTP/1.0 no chunks', () => {
    expect(refusal(() => parseHead(head('GET / HTTP/1.1')))).toBe(400)
    expect(refusal(() => parseHead(head('GET / HTTP/1.0', 'Transfer-Encoding: chunked')))).toBe(400)
    expect(parseHead(head('GET / HTTP/1.0')).isOld).toBe(true)
  })

  test('is read back as it was written', () => {
    const token = fc.stringMatching(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,20}$/)
    const value = fc.stringMatching(/^([!-~\x80-\xff]([ -~\t\x80-\xff]{0,20}[!-~\x80-\xff])?)?$/)
    const special = ['host', 'content-length', 'transfer-encoding', 'connection', 'expect']
    const headers = fc
      .array(fc.tuple(token, value))
      .map((all) => new Map(all.map(([name, text]) => [name.toLowerCase(), text])))
      .filter((all) => special.every((name) => !all.has(name)))
    const target = fc.stringMatching(/^\/[!-~]{0,40}$/)
    fc.assert(
      fc.property(token, target, headers, (method, target, headers) => {
        const all = new Map([['host', 'h'], ...headers])
        const lines = [...all].map(([name, text]) => `${name}: ${text}`)
        const parsed = parseHead(head(`${method} ${target} HTTP/1.1`, ...lines))
        expect(parsed).toMatchObject({ method, target, headers: all })
      }),
    )
  })

  test('is refused with an HttpError, whatever it is', () => {
    const piece = fc.constantFrom(
      'GET',
      ' ',
      '/',
      'HTTP/1.1',
      '\r\n',
      'Host',
      ':',
      'a',
      '\t',
      '\xff',
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        try {
          expect(parseHead(pieces.join('')).target).toMatch(/^\/[!-~]*$/)
        } catch (error) {
          if (!(error instanceof HttpError)) throw error
        }
      }),
    )
  })

  test('takes no more steps than it is long', () => {
    // Each of these would keep a parser that tries again from every blank busy for minutes.
    for (const blank of [' ', '\t', ' \t']) {
      const blanks = blank.repeat(200_000)
      expect(refusal(() => get(`A:${blanks}\0`))).toBe(400)
      expect(get(`A: b${blanks}c`).headers.get('a')).toHaveLength(blanks.length + 2)
      expect(get(`A:${blanks}`).headers.get('a')).toBe('')
    }
    expect(refusal(() => parseHead(`${'G'.repeat(200_000)}\r\n`))).toBe(400)
    expect(refusal(() => parseHead(head(`GET /${'a'.repeat(200_000)}`)))).toBe(400)
  })
})

describe('the head of a response', () => {
  const response = (...lines: string[]) => parseResponseHead(lines.join('\r\n'))

  test('has a status and headers, of several the last', () => {
    expect(response('HTTP/1.1 200 OK', 'A: 1', 'a:2 ', 'Content-Length: 3')).toEqual({
      status: 200,
      headers: new Map(Object.entries({ a: '2', 'content-length': '3' })),
      bodyLength: 3,
      keepAlive: true,
    })
  })

  test('may have control bytes in it, and lines that are no headers', () => {
    const { headers } = response('HTTP/1.1 400', 'X-E: a\x00b\x1b', 'no colon', ': 1', 'a b: 2', '')
    expect([...headers]).toEqual([['x-e', 'a\x00b\x1b']])
  })

  test.each([
    [['HTTP/1.1 204 No Content'], 0, true],
    [['HTTP/1.1 204 No Content', 'Content-Length: 5'], 0, true],
    [['HTTP/1.1 304 Not Modified', 'Content-Length: 5'], 0, true],
    [['HTTP/1.1 100 Continue'], 0, true],
    [['HTTP/1.1 200 OK'], 'until close', false],
    [['HTTP/1.1 200 OK', 'Transfer-Encoding: Chunked'], 'chunked', true],
    [['HTTP/1.1 200 OK', 'Transfer-Encoding: chunked', 'Content-Length: 5'], 'chunked', true],
    [['HTTP/1.1 200 OK', 'Content-Length: 5', 'Connection: Close'], 5, false],
    [['HTTP/1.0 200 OK', 'Content-Length: 5'], 5, false],
  ])('%j ends its body: %s, keeps its connection: %s', (lines, bodyLength, keepAlive) => {
    expect(response(...lines)).toMatchObject({ bodyLength, keepAlive })
  })

  test.each([
    [['']],
    [['lorem ipsum']],
    [['HTTP/2.0 200 OK']],
    [['HTTP/1.1 20 OK']],
    [['HTTP/1.1 2000 OK']],
    [['HTTP/1.1 200 OK', 'Content-Length: five']],
    [['HTTP/1.1 200 OK', 'Content-Length: -5']],
  ])('is not %j', (lines) => {
    expect(() => response(...lines)).toThrow(/^the answer /)
  })
})
