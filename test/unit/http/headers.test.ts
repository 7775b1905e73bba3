import { expect, test } from 'vitest'
import { firstAuthorization, firstOf } from '../../../src/http/headers.ts'

test.each([
  [null, undefined],
  ['gzip', 'gzip'],
  ['gzip, gzip', 'gzip'],
  ['identity, gzip', 'identity'],
])('the first of %j is %j', (joined, first) => {
  expect(firstOf(joined)).toBe(first)
})

test.each([
  [null, undefined],
  ['Basic YTpi', 'Basic YTpi'],
  ['Basic YTpi, Basic Yzpk', 'Basic YTpi'],
  ['Token me:a, b, Basic Yzpk', 'Token me:a, b'],
  ['Token me:a, b', 'Token me:a, b'],
])('the first Authorization of %j is %j', (joined, first) => {
  expect(firstAuthorization(joined)).toBe(first)
})
