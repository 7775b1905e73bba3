import { describe, expect, test } from 'vitest'
import { messageOf } from '../../../src/influxdb/answer.ts'
import { v1DestinationOf } from '../../../src/influxdb/destination.ts'
import { readAnswer } from '../../../src/influxdb/response.ts'
import { asV1Answer, v2Body, v2Query } from '../../../src/influxdb/v2.ts'
import { verdictOf } from '../../../src/influxdb/verdict.ts'
import { v2Error } from '../../support/v2-stand-in.ts'

const destinationOf = (search: string) => {
  const found = v1DestinationOf(search, undefined, '')
  if ('status' in found) throw new Error('no database')
  return found
}

const options = {
  org: 'o&x',
  buckets: new Map([
    ['d', 'default of d'],
    ['d/rp', 'a/b%'],
  ]),
}

describe('the query string of a write', () => {
  test.each([
    ['db=e', 'org=o%26x&bucket=e%2Fautogen&precision=ns'],
    ['db=e&rp=x&precision=n', 'org=o%26x&bucket=e%2Fx&precision=ns'],
    ['db=d&precision=u', 'org=o%26x&bucket=default%20of%20d&precision=us'],
    ['db=d&rp=rp&precision=ms', 'org=o%26x&bucket=a%2Fb%25&precision=ms'],
    ['db=d&rp=rp2&precision=s', 'org=o%26x&bucket=d%2Frp2&precision=s'],
    ['db=d&rp=rp&precision=h', 'org=o%26x&bucket=a%2Fb%25&precision=s'],
    ['db=d&precision=us', 'org=o%26x&bucket=default%20of%20d&precision=ns'],
    ['db=d&consistency=all&u=a&p=b&x=y', 'org=o%26x&bucket=default%20of%20d&precision=ns'],
  ])('of %s is %s', (search, query) => {
    expect(v2Query(options, destinationOf(search))).toBe(query)
  })
})

describe('the body of a write', () => {
  const scaled = (body: string, precision: string) => {
    const bytes = v2Body(
      new TextEncoder().encode(body),
      destinationOf(`db=d&precision=${precision}`),
    )
    return new TextDecoder().decode(bytes)
  }

  test.each([
    [
      'm v=1 1\nm v="\n2" 2\n\n# c 3\nm v=4i -4',
      'm',
      'm v=1 60\nm v="\n2" 120\n\n# c 3\nm v=4i -240\n',
    ],
    ['m v=1 1  \n', 'h', 'm v=1 3600  \n'],
    ['bad\nm v=1', 'h', 'bad\nm v=1\n'],
    ['m v=1 1', 's', 'm v=1 1'],
  ])('%j in %s is %j', (body, precision, expected) => {
    expect(scaled(body, precision)).toBe(expected)
  })
})

describe('an answer of InfluxDB 2', () => {
  test.each([
    [400, "unable to parse 'm': missing fields", 'rejected'],
    [401, 'unauthorized access', 'unready'],
    [403, 'insufficient permissions for write', 'unready'],
    [404, 'bucket "b" not found', 'unready'],
    [413, 'unable to read data: points batch is too large', 'too-large'],
    [422, 'failure writing points to database: partial write: x dropped=1', 'rejected'],
    [429, 'org has exceeded limited_write plan limit', 'failed'],
    [500, 'internal error', 'failed'],
    [503, 'overloaded', 'failed'],
  ])('%i %s means: %s', async (status, message, verdict) => {
    const headers = { 'retry-after': '7' }
    const given = await readAnswer(v2Error(status, `${message} (tok/en)`, headers))
    const answer = asV1Answer(given, 'Token tok/en')
    expect(verdictOf(answer, new Uint8Array())).toBe(verdict)
    expect(messageOf(answer)).toBe(`${message} (***)`)
    expect(JSON.parse(new TextDecoder().decode(answer.body))).toEqual({ error: `${message} (***)` })
    expect(answer.retryAfter).toBe('7')
  })

  test('that is no JSON keeps its text', async () => {
    const given = await readAnswer(new Response('<h1>proxy</h1>', { status: 502 }))
    expect(messageOf(asV1Answer(given, undefined))).toBe('<h1>proxy</h1>')
  })
})
