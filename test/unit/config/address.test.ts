import { expect, test } from 'vitest'
import { formatAddress, parseAddress } from '../../../src/config/address.ts'

test.each([
  ['127.0.0.1:9096', { host: '127.0.0.1', port: 9096 }],
  ['[::1]:9096', { host: '::1', port: 9096 }],
  [':9096', { host: '', port: 9096 }],
  ['relay.example:0', { host: 'relay.example', port: 0 }],
])('%s is parsed and formatted', (text, address) => {
  expect(parseAddress(text)).toEqual(address)
  expect(formatAddress(address)).toBe(text)
})

test.each(['', '9096', 'h', 'h:', 'h:65536', '::1:9096', '[::1]', 'h:9x'])(
  '%j is not an address',
  (text) => {
    expect(parseAddress(text)).toBeUndefined()
  },
)
