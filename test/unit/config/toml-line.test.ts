import { expect, test } from 'vitest'
import { lineOf } from '../../../src/config/toml-line.ts'

const SOURCE = `a = 1
[[http]]
name = "x"
output = [
  { name = "one" },
  { name = "two",
    "time.out" = 5 },
]
[[http]]
[[http.output]]
endpoints.write = "/w"
[udp.deep]
key = """
text"""
`

test.each([
  [['a'], 1],
  [['http'], 2],
  [['http', 0, 'name'], 3],
  [['http', 0, 'output', 1], 6],
  [['http', 0, 'output', 1, 'time.out'], 7],
  [['http', 0, 'output', 1, 'missing'], 6],
  [['http', 1], 9],
  [['http', 1, 'output', 0, 'endpoints', 'write'], 11],
  [['udp', 'deep', 'key'], 13],
  [['nowhere'], 1],
  [[], 1],
])('%j stands on line %i', (path, line) => {
  expect(lineOf(SOURCE, path as string[])).toBe(line)
})
