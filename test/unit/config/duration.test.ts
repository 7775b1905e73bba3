import { expect, test } from 'vitest'
import { parseDuration } from '../../../src/config/duration.ts'

test.each([
  ['0', 0],
  ['10s', 10_000],
  ['1m30s', 90_000],
  ['500ms', 500],
  ['1.5h', 5_400_000],
  ['.5s', 500],
  ['250us', 0.25],
  ['250µs', 0.25],
  ['1h2m3s4ms', 3_723_004],
])('%s is %i ms', (text, ms) => {
  expect(parseDuration(text)).toBeCloseTo(ms as number)
})

test.each(['', '10', 's', '-1s', '1 s', '1d', '1s1', '1..s', '1e3s'])(
  '%j is not a duration',
  (text) => {
    expect(parseDuration(text)).toBeUndefined()
  },
)
