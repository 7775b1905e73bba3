import { expect, test } from 'vitest'
import {
  formatNanoseconds,
  formatSecondAfter,
  formatSecondBefore,
} from '../../../src/losses/rfc3339.ts'

test.each([
  [0n, '1970-01-01T00:00:00Z'],
  [1_700_000_000_000_000_000n, '2023-11-14T22:13:20Z'],
  [1_700_000_000_120_000_000n, '2023-11-14T22:13:20.12Z'],
  [1_700_000_000_000_000_001n, '2023-11-14T22:13:20.000000001Z'],
  [-1n, '1969-12-31T23:59:59.999999999Z'],
  [-1_500_000_000n, '1969-12-31T23:59:58.5Z'],
  [9_223_372_036_854_775_806n, '2262-04-11T23:47:16.854775806Z'],
  [-9_223_372_036_854_775_806n, '1677-09-21T00:12:43.145224194Z'],
])('%d nanoseconds are %s', (nanoseconds, expected) => {
  expect(formatNanoseconds(nanoseconds)).toBe(expected)
})

test.each([
  [1_700_000_000_000_000_000n, '2023-11-14T22:13:20Z', '2023-11-14T22:13:20Z'],
  [1_700_000_000_000_000_001n, '2023-11-14T22:13:20Z', '2023-11-14T22:13:21Z'],
  [1_700_000_000_999_999_999n, '2023-11-14T22:13:20Z', '2023-11-14T22:13:21Z'],
  [-1n, '1969-12-31T23:59:59Z', '1970-01-01T00:00:00Z'],
])('%d lies between the seconds %s and %s', (nanoseconds, before, after) => {
  expect(formatSecondBefore(nanoseconds)).toBe(before)
  expect(formatSecondAfter(nanoseconds)).toBe(after)
})
