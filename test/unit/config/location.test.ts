import { describe, expect, test } from 'vitest'
import { LocationError, parseLocation } from '../../../src/config/location.ts'

/** What a location must not bring into a message. */
const SECRET = 's3cret'

describe('a location is refused', () => {
  test.each([
    ['', 'the scheme is missing'],
    ['10.0.0.1:8086', 'the scheme is missing'],
    ['localhost:8086/write', 'the scheme is missing'],
    ['//h', 'the scheme is missing'],
    ['http:h', 'the scheme is missing'],
    ['http:/h', 'the scheme is missing'],
    ['user:s3cret@h:8086', 'the scheme is missing'],
    ['htp://user:s3cret@h', 'the scheme is neither http nor https'],
    ['udp://h:8089', 'the scheme is neither http nor https'],
    ['http://', 'the host is missing'],
    ['http:///write', 'the host is missing'],
    ['http://:8086/write', 'the host is missing'],
    ['http://user:s3cret@', 'the host is missing'],
    ['http://user:s3cret@/write', 'the host is missing'],
    ['http://h:99999/', 'the port is not a number from 1 to 65535'],
    ['http://h:0/', 'the port is not a number from 1 to 65535'],
    ['http://h:80a/', 'the port is not a number from 1 to 65535'],
    ['http://user:s3cret', 'the port is not a number from 1 to 65535'],
    ['http://user:12/34s3cret@h/write', 'it has an "@" behind the host'],
    ['http://user:12?s3cret@h/write', 'it has an "@" behind the host'],
    ['http://user:12#s3cret@h/write', 'it has an "@" behind the host'],
    ['http://user#s3cret', 'it has a "#"'],
    ['http://h/write?db=a&p=s3cret', 'its query has credentials'],
    ['http://h/write?u=s3cret', 'its query has credentials'],
    ['http://user:12\\s3cret@h/', 'it has a space, a control character or a backslash'],
    ['http://h:8086/write ', 'it has a space, a control character or a backslash'],
    ['http://h:80\n86/write', 'it has a space, a control character or a backslash'],
    ['http://h/wr\u202eite', 'it has a space, a control character or a backslash'],
    ['http://user:s3cret100%@h/write', 'it has a "%" that begins no UTF-8 character'],
    ['http://user:s3cret%ff@h/write', 'it has a "%" that begins no UTF-8 character'],
    ['http://user:s3cret%0a@h/write', 'its credentials have a control character'],
    ['http://user:s3cret%00@h/write', 'its credentials have a control character'],
    ['http://:s3cret@h/write', 'the user name before the "@" is missing'],
    ['http://@h/write', 'the user name before the "@" is missing'],
    ['http://a%3Ab@h/write', 'a user name with a colon needs a password'],
    ['http://s3:cret:1/write', 'the port is not a number from 1 to 65535'],
    ['http://::1/write', 'the host is missing'],
    ['http://[::1/write', 'the port is not a number from 1 to 65535'],
    ['http://[zz]/write', 'the host is not valid'],
    ['http://a%20b/write', 'the host is not valid'],
    ['http://999.1.1.1/write', 'the host is not valid'],
  ])('%j: %s', (location, reason) => {
    const parse = () => parseLocation(location)
    expect(parse).toThrow(LocationError)
    expect(parse).toThrow(`expected a URL such as "http://127.0.0.1:8086/write": ${reason}`)
    expect(parse).not.toThrow(SECRET)
  })
})

describe('a location is read', () => {
  const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`
  test.each([
    ['http://h:8086', 'h:8086', undefined],
    ['HTTPS://H/Write', 'h', undefined],
    ['http://h:/write', 'h', undefined],
    ['http://[::1]:8086/write', '[::1]:8086', undefined],
    ['http://h/write?db=x', 'h', undefined],
    ['http://user@h', 'h', basic('user:')],
    ['http://user:pass@h', 'h', basic('user:pass')],
    ['http://user:a:b@h', 'h', basic('user:a:b')],
    ['http://user:a@b@h:1', 'h:1', basic('user:a@b')],
    ['http://user:%2F%3F%23%40%25%5C@h', 'h', basic('user:/?#@%\\')],
    ['http://us%20er:s%C3%B6@h', 'h', basic('us er:sö')],
    ['http://a%3Ab:c@h', 'h', 'Query u=a%3Ab&p=c'],
  ])('%s', (location, host, authorization) => {
    const found = parseLocation(location)
    expect([found.url.host, found.authorization]).toEqual([host, authorization])
  })
})
