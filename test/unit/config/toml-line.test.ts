import { parse } from 'smol-toml'
import { describe, expect, test } from 'vitest'
import { type KeyPath, keyPositions, lineOf } from '../../../src/config/toml-line.ts'

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
  [['http', 1, 'output', 0, 'endpoints', 'missing'], 11],
  [['udp', 'deep', 'key'], 13],
  [['udp', 'deep', 'missing'], 12],
  [['nowhere'], 1],
  [[], 1],
])('%j stands on line %i', (path, line) => {
  expect(lineOf(SOURCE, path as string[])).toBe(line)
})

describe('the last key is found after', () => {
  test.each([
    ['a comment', 'a = 1 # [x] = """ \'\'\' "', ['k']],
    ['strings with brackets', 'a = "[b]\\"]" \nb = \'[x]\\\'', ['k']],
    ['a basic string of several lines', 'a = """\n[b]\nk = 1\\""" "" """', ['k']],
    ['a literal string of several lines', "a = '''\n[b]\nk = 1\\'''", ['k']],
    ['a string that ends in quotes', 'a = """x"""""\nb = \'\'\'x\'\'\'\'\'', ['k']],
    ['empty strings', 'a = ""\nb = \'\'\nc = """"""\nd = \'\'\'\'\'\'', ['k']],
    ['an array of several lines', 'a = [ # ]\n 1, "]", [2, # ,\n ], { b = [ ] } ,\n]', ['k']],
    ['an inline table of several lines', 'a = { b = 1, # }\n c.d = "}",\n}', ['k']],
    ['dates with a space', 'a = 1979-05-27 07:32:00 # x\nb = [07:32:00]', ['k']],
    ['quoted keys', '"a = [\\"" = 1\n\'b]#\' = 2\n"c"."d" . e = 3', ['k']],
    ['a table', '[ "a]" . b ] # c\nb = 1', ['a]', 'b', 'k']],
    ['an array of tables', '[[a]]\n[[ a . b ]]\n[[a.b]]\n[[a]]\n[[a.b]]', ['a', 1, 'b', 0, 'k']],
    ['a table in an array of tables', '[[a]]\n[[a]]\n[a.b.c]', ['a', 1, 'b', 'c', 'k']],
    ['CRLF', 'a = 1\r\n\r\n[b]\r\nc = """\r\n"""', ['b', 'k']],
    ['a name that objects have', '[__proto__]\nconstructor.a = 1', ['__proto__', 'k']],
  ] as [string, string, KeyPath][])('%s', (_, before, path) => {
    const source = `${before}\nk = 1\n`
    expect(() => parse(source)).not.toThrow()
    expect(keyPositions(source).at(-1)?.path).toEqual(path)
    expect(lineOf(source, path)).toBe(source.split('\n').length - 1)
  })
})
