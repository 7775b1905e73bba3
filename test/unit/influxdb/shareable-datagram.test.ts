import { describe, expect, test } from 'vitest'
import { datagramTest } from '../../../src/influxdb/shareable-datagram.ts'

const NOW = '1700000000000000000'

function canShare(text: string, precision = ''): boolean {
  const bytes = new TextEncoder().encode(`....${text}`).subarray(4)
  return datagramTest(precision)(bytes)
}

describe('a body can share a datagram', () => {
  test.each([
    `m v=1 ${NOW}`,
    `m v=1 ${NOW}\n`,
    `m v=-0.5,w=12i ${NOW}\nm v=0 0`,
    `cpu.load,host=a-1,region=eu:west/1 usage_user=99.25,n=123456789012345i ${NOW}`,
    'm,a=1,aa=1,b=a v=1 9',
    'm,atime=1 timeout=1 9',
  ])('%j', (text) => {
    expect(canShare(text)).toBe(true)
  })

  test.each([
    ['n', '8999999999999999999'],
    ['ns', '8999999999999999999'],
    ['u', '8999999999999999'],
    ['ms', '8999999999999'],
    ['s', '8999999999'],
    ['m', '99999999'],
    ['h', '999999'],
  ])('with timestamps of precision %s up to %s', (precision, timestamp) => {
    expect(canShare(`m v=1 ${timestamp}`, precision)).toBe(true)
    expect(canShare(`m v=1 ${timestamp}0`, precision)).toBe(false)
    expect(canShare(`m v=1 9${timestamp.slice(1)}`, precision)).toBe(
      precision.length === 1 && 'mh'.includes(precision),
    )
  })
})

describe('a body gets a datagram of its own', () => {
  test.each([
    '',
    '\n',
    'm v=1',
    `m v=1 ${NOW}\n\n`,
    `# m v=1 ${NOW}`,
    ` m v=1 ${NOW}`,
    `m  v=1 ${NOW}`,
    `m v=1 ${NOW} `,
    `m v=1 ${NOW}\r\n`,
    `m v=1 ${NOW}\nm v=x ${NOW}`,
    'm v=1 -5',
    'm v=1 9999999999999999999',
    ...['', '.', '-', '1.', '.5', '1.2.3', '1e5', '1u', '007', '1ii', '"s"', 't', 'NaN'].map(
      (value) => `m v=${value} 1`,
    ),
    'm v=12345678901234567890i 1',
    'm,=a v=1 1',
    'm,a= v=1 1',
    'm,a v=1 1',
    'm, v=1 1',
    'm,a=1,b=2,a=3 v=1 1',
    'm,time=1 v=1 1',
    'm time=1 1',
    'm v=1,time=1 1',
    'm\\ n v=1 1',
    'm,t=\u00e9 v=1 1',
  ])('%j', (text) => {
    expect(canShare(text)).toBe(false)
  })
})
