import { expect, test } from 'vitest'
import { parseMultipart } from '../../../src/http/multipart.ts'

const TYPE = 'multipart/form-data; boundary=B'

const parse = (text: string, type = TYPE) =>
  parseMultipart(Uint8Array.from(Buffer.from(text, 'latin1')), type).map(
    ({ name, isFile, value }) => [name, isFile, Buffer.from(value).toString('latin1')],
  )

const part = (disposition: string, value: string) =>
  `--B\r\nX: y\r\nContent-Disposition: form-data; ${disposition}\r\n\r\n${value}\r\n`

test('fields and files are read byte for byte', () => {
  const form = `${part('name="q"; filename="a; name=b"', 'a\r\n--C\r\n\xff\0')}${part('name=db', '')}--B--\r\n`
  expect(parse(form)).toEqual([
    ['q', true, 'a\r\n--C\r\n\xff\0'],
    ['db', false, ''],
  ])
  expect(parse(`preamble\r\n${form}epilogue`, 'multipart/form-data; Boundary="B"')).toHaveLength(2)
})

test('names can be quoted', () => {
  expect(parse(`${part('filename="x"; name="a\\"b"', '1')}--B--`)).toEqual([['a"b', true, '1']])
})

test.each([
  ['a form without an end', part('name="q"', 'x')],
  ['a part without a head', '--B\r\nq\r\n--B--'],
  ['another boundary', `${part('name="q"', 'x').replaceAll('B', 'C')}--C--`],
  ['nothing', ''],
])('%s has no fields', (_, form) => {
  expect(parse(form)).toEqual([])
  expect(parse(form, 'multipart/form-data')).toEqual([])
})

test('a part that is no field is passed over', () => {
  expect(parse(`--B\r\nX: y\r\n\r\nz\r\n${part('name="q"', 'x')}--B--`)).toEqual([
    ['q', false, 'x'],
  ])
})
