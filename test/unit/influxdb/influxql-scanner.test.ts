import { describe, expect, test } from 'vitest'
import { bindTimes } from '../../../src/influxdb/bind-times.ts'
import { InfluxqlScanner, type Slash } from '../../../src/influxdb/influxql-scanner.ts'
import { maskPasswords } from '../../../src/influxdb/mask-passwords.ts'
import { statementsOf } from '../../../src/influxdb/statement.ts'

/** The tokens of a text: types, with the text where the type does not say it. */
function tokens(text: string, slash: Slash = 'division'): string[] {
  const scanner = new InfluxqlScanner(text)
  const found: string[] = []
  while (scanner.next(slash) !== 'end' && scanner.type !== 'fault') {
    const { type, start, end } = scanner
    const written = text.slice(start, end)
    found.push(type === written.toUpperCase() || type === written ? type : `${type} ${written}`)
  }
  return scanner.type === 'fault' ? [...found, 'fault'] : found
}

describe('tokens are those of InfluxDB', () => {
  test.each([
    ['', []],
    ['select FROM Into', ['SELECT', 'FROM', 'INTO']],
    [
      'selects _a a1 x_y',
      ['identifier selects', 'identifier _a', 'identifier a1', 'identifier x_y'],
    ],
    ['"a b" "a\\"b" "a\\\\"', ['identifier "a b"', 'identifier "a\\"b"', 'identifier "a\\\\"']],
    ['from"a" a"b"c', ['identifier from"a"', 'identifier a"b"', 'identifier c']],
    ['$a $"b c" $', ['parameter $a', 'parameter $"b c"', 'parameter $']],
    ['$from', ['parameter $from']],
    ["'' 'a\\'b' 'a\"b'", ["string ''", "string 'a\\'b'", "string 'a\"b'"]],
    [
      '1 1. .5 1.5 1..2',
      ['number 1', 'number 1.', 'number .5', 'number 1.5', 'number 1.', 'number .2'],
    ],
    [
      '5s 1h30m 5µ 5µs 1e5 5_a',
      [
        'duration 5s',
        'duration 1h30m',
        'duration 5µ',
        'duration 5µs',
        'duration 1e5',
        'number 5',
        'identifier _a',
      ],
    ],
    ['a.b..c', ['identifier a', '.', 'identifier b', '.', '.', 'identifier c']],
    [
      '= =~ != !~ < <= <> > >= :: :',
      ['=', '=~', '!=', '!~', '<', '<=', '<>', '>', '>=', '::', ':'],
    ],
    ['a-b--c\n-d', ['identifier a', '-', 'identifier b', '-', 'identifier d']],
    ['a/*b*/c/**/d/***/e', ['identifier a', 'identifier c', 'identifier d', 'identifier e']],
    ['a/b', ['identifier a', '/', 'identifier b']],
    ['-- a\rb-- c\r\nd', ['identifier b', 'identifier d']],
    ["'a", ['fault']],
    ["'a\n'", ['fault']],
    ["'a\r'", ['fault']],
    ["'\\a'", ['fault']],
    ["'a\\", ['fault']],
    ['a"b', ['fault']],
    ['a /* b', ['identifier a', 'fault']],
    ['a ! b', ['identifier a', 'fault']],
    ['a # b', ['identifier a', 'fault']],
    ['a\u00a0b', ['identifier a', 'fault']],
    ['a\ufffd', ['identifier a', 'fault']],
    ['a\0', ['fault']],
  ])('%j', (text, expected) => {
    expect(tokens(text)).toEqual(expected)
  })

  test.each([
    ['/a/', ['regex /a/']],
    ['//', ['regex //']],
    [' /a\\/b/ ', ['regex /a\\/b/']],
    ['/a\\\\/b/', ['regex /a\\\\/b/']],
    ["/';/", ["regex /';/"]],
    ['/a', ['fault']],
    ['/a\\/', ['fault']],
    ['/a\n/', ['fault']],
    ['/* a */', ['fault']],
    ['-- a\n/b/', ['fault']],
  ])('%j where a regular expression may stand', (text, expected) => {
    expect(tokens(text, 'regex')).toEqual(expected)
  })

  test('names are unquoted', () => {
    const names = ['a', '"a\\n\\"b\\\\"', 'x"y"', '$a', '$"a b"', '$x"y"'].map((text) => {
      const scanner = new InfluxqlScanner(text)
      scanner.next('fault')
      return scanner.name
    })
    expect(names).toEqual(['a', 'a\n"b\\', 'y', 'a', 'a b', 'y'])
  })
})

describe('long hostile text is read in linear time, without recursion', () => {
  /** Enough that a quadratic scan would time out. */
  const BYTES = 2 ** 18
  const many = (text: string) => text.repeat(Math.ceil(BYTES / text.length))
  test.each([
    ['parentheses', `SELECT a FROM b WHERE ${many('(')}`],
    ['parentheses behind a name', `DELETE WHERE "a"${many('(')}`],
    ['calls', `SELECT ${many('f(')}`],
    ['nested subqueries', `SELECT a INTO b FROM ${many('(SELECT a FROM ')}`],
    ['closed subqueries', `DELETE FROM ${'(SELECT a FROM '.repeat(20_000)}b${')'.repeat(20_000)}`],
    ['a string without an end', `DELETE WHERE a = '${many('x')}`],
    ['escapes', `DELETE WHERE a = '${many('\\\\')}`],
    ['quotes', many('"')],
    ['a comment without an end', `DELETE WHERE a = 1 /*${many('*')}`],
    ['beginnings of comments', many('/*')],
    ['comments', many('/**/--\n')],
    ['a regular expression without an end', `DELETE WHERE a =~ /${many('x')}`],
    ['regular expressions', `SELECT ${many('/x/,')}`],
    ['semicolons', many(';')],
    ['statements', many('DELETE FROM a;')],
    ['statements about passwords', many("SET PASSWORD FOR a = 'b';")],
    ['conditions', `DELETE WHERE ${many('time > now() OR ')}`],
    ['a long name', many('a')],
    ['names', many('a ')],
    ['segments', `SELECT a FROM ${many('a.')}`],
    ['digits', many('1')],
    ['white space', many(' \r\n')],
    ['letters beyond ASCII', many('é')],
  ])('%s', (_, text) => {
    const statements = statementsOf(text, { database: 'a' })
    expect(statements.length).toBeLessThan(BYTES)
    expect(bindTimes(text, { now: 1n, latest: 1n }).length).toBeGreaterThanOrEqual(text.length)
    expect(maskPasswords(text).length).toBeGreaterThan(0)
  })
})
