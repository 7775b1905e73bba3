import { expect, test } from 'vitest'
import { bufferFiles, connectionLimits } from '../../../src/limits/open-files.ts'

const relay = { backends: ['a', 'b'] }
const FOR_OTHERS = 128 + 2 * 128

test.each([
  ['no limit is known', Number.POSITIVE_INFINITY, [relay], Number.POSITIVE_INFINITY, 511],
  ['there are files in plenty', 65_536, [relay], 65_536 - FOR_OTHERS - 511, 511],
  ['relays share them', 65_536, [relay, relay], (65_536 - 128 - 4 * 128) / 2 - 511, 511],
  ['there are few', 1024, [relay], (1024 - FOR_OTHERS) / 2, (1024 - FOR_OTHERS) / 2],
  ['there are very few', 256, [relay], 32, 32],
  ['there are next to none', 3, [relay], 1, 1],
])('the bounds are right if %s', (_, maxOpenFiles, relays, maxConnections, backlog) => {
  expect(connectionLimits(maxOpenFiles, relays)).toEqual({ maxConnections, backlog })
})

test.each([
  [Number.POSITIVE_INFINITY, 64],
  [65_536, 64],
  [1024, 64],
  [256, 32],
  [3, 1],
])('of %d files, buffers have %d open at most', (maxOpenFiles, files) => {
  expect(bufferFiles(maxOpenFiles)).toBe(files)
})
