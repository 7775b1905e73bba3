import { describe, expect, test } from 'vitest'
import { errorOfOneServer } from '../../../src/influxdb/query-error.ts'

const JSON_TYPE = 'application/json'

const find = (text: string, isWhole = true, contentType = JSON_TYPE) =>
  errorOfOneServer({ bytes: Uint8Array.from(Buffer.from(text, 'latin1')), isWhole, contentType })

const withError = (error: string) => `{"results":[{"statement_id":0,"error":"${error}"}]}\n`

describe('an error that another server may not have', () => {
  test.each([
    'database not found: nope',
    'not executed',
    'engine is closed',
    '[shard 7] shard is disabled',
    'max-concurrent-queries limit exceeded(1, 1)',
  ])('is %s', (error) => {
    expect(find(withError(error))).toBe(error)
    expect(find(withError(error), false)).toBe(error)
  })

  test('is found in pretty JSON, in chunks, and behind a statement without an error', () => {
    const pretty = JSON.stringify(JSON.parse(withError('engine is closed')), null, 4)
    expect(find(pretty)).toBe('engine is closed')
    expect(find(pretty, false)).toBe('engine is closed')
    const chunks = `{"results":[{"statement_id":0}]}\n${withError('engine is closed')}`
    expect(find(chunks)).toBe('engine is closed')
    expect(
      find('{"results":[{"statement_id":0},{"statement_id":1,"error":"engine is closed"}]}'),
    ).toBe('engine is closed')
  })

  test.each([
    '\x81\xa7results\x91\x81\xa5error\xb8database not found: nope',
    '\x81\xa7results\x91\x82\xacstatement_id\x03\xa5error\xb8database not found: nope',
  ])('is found in msgpack', (text) => {
    expect(find(text, true, 'application/x-msgpack')).toBe('database not found: nope')
  })

  test('is found in CSV', () => {
    expect(find('error\n"database not found: nope"\n', true, 'text/csv')).toBe(
      'database not found: nope',
    )
  })
})

describe('no other server is asked for', () => {
  test.each([
    withError('retention policy not found: x'),
    withError('database name required'),
    '{"results":[{"statement_id":0}]}',
    '{"error":"database not found: x"}',
    '{}',
    '',
    'null',
    'no JSON with "error"',
  ])('%s', (text) => {
    expect(find(text)).toBeUndefined()
    expect(find(text, false)).toBeUndefined()
  })

  test('a value that looks like an error', () => {
    const row =
      '{"results":[{"statement_id":0,"series":[{"name":"error","values":[[0,"\\"error\\":\\"engine is closed\\""]]}]}]}'
    expect(find(row)).toBeUndefined()
    expect(find(row.slice(0, -5), false)).toBeUndefined()
  })
})
