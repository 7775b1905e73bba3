import { expect, test } from 'vitest'
import { retryAfterMs } from '../../../src/backend/retry-after.ts'

const NOW = Date.UTC(2026, 10, 25, 12, 0, 0)
const MAX_MS = 300_000

test.each([
  ['7', 7000],
  [' 7 ', 7000],
  ['0', 0],
  ['300', MAX_MS],
  ['99999', MAX_MS],
  ['9'.repeat(400), MAX_MS],
  ['Wed, 25 Nov 2026 12:00:30 GMT', 30_000],
  ['Wednesday, 25-Nov-26 12:00:30 GMT', 30_000],
  ['Wed Nov 25 12:00:30 2026 GMT', 30_000],
  ['Wed, 25 Nov 2026 11:00:00 GMT', 0],
  ['Wed, 25 Nov 2099 11:00:00 GMT', MAX_MS],
  ['Wed, 99 Nov 2099 11:00:00 GMT', 0],
  ...['', '-1', '1.5', '1e3', '0x10', 'soon', 'NaN', 'Infinity', '2026-11-25', '1 2'].map(
    (text) => [text, 0] as const,
  ),
  [undefined, 0],
] as const)('Retry-After %j is a pause of %i ms', (text, ms) => {
  expect(retryAfterMs(text, () => NOW)).toBe(ms)
})
