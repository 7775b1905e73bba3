import { describe, expect, test } from 'vitest'
import { hasForm, readQueryRequest } from '../../../src/http/query-request.ts'

const FORM = 'application/x-www-form-urlencoded'

const read = (search: string, body?: string, type = FORM) =>
  readQueryRequest(
    search,
    body === undefined ? undefined : Uint8Array.from(Buffer.from(body, 'latin1')),
    new Headers({ 'content-type': type }),
    'Basic abc',
  )

describe('the parameters of a query', () => {
  test('come from the URL', async () => {
    expect(
      await read('?db=d&q=SHOW+DATABASES&chunked=true&params=%7B%22a%22%3A1%7D'),
    ).toMatchObject({
      ...{ text: 'SHOW DATABASES', database: 'd', isChunked: true, parameters: { a: 1 } },
      authorization: 'Basic abc',
    })
  })

  test('of a form win over those of the URL, also if they are empty', async () => {
    expect(await read('?q=a&db=x', 'q=b')).toMatchObject({ text: 'b', database: 'x' })
    expect(await read('?q=a', 'q=')).toMatchObject({ text: '' })
  })

  test('are what a server gets, without credentials', async () => {
    const { form, search, authorization } = await read('?q=a%20b&u=ann&p=secret&pretty=true&q=c')
    expect(form).toBe('pretty=true&q=a%20b')
    expect(search).toBe('pretty=true')
    expect(authorization).toBe(`Basic ${btoa('ann:secret')}`)
  })

  test('can be in a multipart form, where those of the URL win, and a file q counts', async () => {
    const part = (name: string, value: string, file = '') =>
      `--B\r\nContent-Disposition: form-data; name="${name}"${file}\r\n\r\n${value}\r\n`
    const type = 'multipart/form-data; boundary=B'
    const file = '; filename="x"'
    const upload = `${part('q', 'SHOW USERS', file)}${part('db', 'd')}--B--\r\n`
    expect(await read('?db=e', upload, type)).toMatchObject({ text: 'SHOW USERS', database: 'e' })
    const both = `${part('q', 'one')}${part('q', 'two', file)}--B--\r\n`
    expect(await read('', both, type)).toMatchObject({ text: 'one' })
    expect(await read('?q=zero', both, type)).toMatchObject({ text: 'zero' })
    expect(await read('', 'no multipart', type)).toMatchObject({ text: '' })
  })

  test('that are broken count as missing', async () => {
    expect(await read('?q=%zz&db=a;b&params=%7B')).toMatchObject({
      text: '',
      database: '',
      parameters: {},
    })
  })

  test('that are not UTF-8 go to the server as they are', async () => {
    const { text, form } = await read('?q=SELECT+%ff')
    expect([text, form]).toEqual(['SELECT \ufffd', 'q=SELECT+%ff'])
  })
})

test('only a POST of a known type has a form', () => {
  const request = (method: string, type: string) =>
    new Request('http://relay/query', { method, headers: { 'content-type': type } })
  expect(hasForm(request('POST', `${FORM}; charset=utf-8`))).toBe(true)
  expect(hasForm(request('POST', 'Multipart/Form-Data; boundary=x'))).toBe(true)
  expect(hasForm(request('POST', 'text/plain'))).toBe(false)
  expect(hasForm(request('GET', FORM))).toBe(false)
})
