import { describe, expect, test } from 'vitest'
import { type Statement, statementsOf, trimmedQuery } from '../../../src/influxdb/statement.ts'
import { INFLUXQL_STATEMENTS } from '../../support/influxql-statements.ts'

const read = (text: string, parameters = {}) =>
  statementsOf(text, { database: 'request', parameters })

/** The only statement of a text. */
function one(text: string, parameters = {}): Statement {
  const [statement, ...others] = read(text, parameters)
  expect(others).toEqual([])
  return statement as Statement
}

const kinds = (text: string) => read(text).map(({ kind }) => kind)

describe('a query is split', () => {
  test.each([
    ['', []],
    [' ;; -- x\n ; /* ; */', []],
    ['SHOW DATABASES', ['SHOW DATABASES']],
    ['SHOW DATABASES;', ['SHOW DATABASES']],
    ['SHOW DATABASES; SHOW USERS', ['SHOW DATABASES', 'SHOW USERS']],
    ["SELECT a FROM b WHERE c = ';' ; SHOW USERS", ['SELECT', 'SHOW USERS']],
    ['SELECT a FROM "b;c"; SHOW USERS', ['SELECT', 'SHOW USERS']],
    ['SELECT a FROM /b;c/; SHOW USERS', ['SELECT', 'SHOW USERS']],
    ['SELECT a FROM b -- ;\n; SHOW USERS', ['SELECT', 'SHOW USERS']],
    ['SELECT a FROM b -- ;\r; SHOW USERS', ['SELECT', 'SHOW USERS']],
    ["SELECT a FROM b WHERE c = 'd\\'; SHOW USERS; '", ['SELECT']],
    ["SELECT a FROM b WHERE c = 'd\\\\'; SHOW USERS", ['SELECT', 'SHOW USERS']],
    ['SELECT a FROM b WHERE c =~ /d\\/; SHOW USERS; /', ['SELECT']],
    ['SELECT a FROM b WHERE c =~ /d\\\\/; SHOW USERS; /', ['SELECT']],
    ['SELECT a/b FROM c; SHOW USERS; SELECT d/e FROM f', ['SELECT', 'SHOW USERS', 'SELECT']],
    ['SELECT a./b FROM c; SHOW USERS; SELECT d./e FROM f', ['SELECT', 'SHOW USERS', 'SELECT']],
    ['SELECT a FROM b./c; SHOW USERS; SELECT d./', ['SELECT']],
  ])('%j', (text, expected) => {
    expect(kinds(text)).toEqual(expected)
  })

  test('and each statement has the positions of its first and its last token', () => {
    const text = ' /* a */ SHOW USERS /* b */ ; DROP USER "x" -- c'
    const texts = read(text).map(({ start, end }) => text.slice(start, end))
    expect(texts).toEqual(['SHOW USERS', 'DROP USER "x"'])
  })
})

describe('the kind and the databases', () => {
  const READ = 'read'
  const CHANGE = 'change'
  test.each<[text: string, kind: string, effect: string, reads: string[], changes: string[]]>([
    ['select a from b', 'SELECT', READ, ['request'], []],
    ['SELECT a FROM x.y.z', 'SELECT', READ, ['x'], []],
    ['SELECT a FROM x..z, y.z, "v"."w"./u/', 'SELECT', READ, ['x', 'v', 'request'], []],
    ['SELECT a FROM (SELECT b FROM x.y.z)', 'SELECT', READ, ['x'], []],
    ['SELECT a FROM (SELECT b INTO u.v.w FROM x.y.z)', 'SELECT', READ, ['x'], []],
    ['SELECT "INTO" FROM b -- INTO c', 'SELECT', READ, ['request'], []],
    ['/**/ select a /**/ into b from c --', 'SELECT INTO', CHANGE, ['request'], ['request']],
    ['SELECT a INTO u.v.w FROM x.y.z', 'SELECT INTO', CHANGE, ['x'], ['u']],
    ['SELECT a INTO u..:MEASUREMENT FROM x.y./z/', 'SELECT INTO', CHANGE, ['x'], ['u']],
    ['EXPLAIN SELECT a INTO b FROM x.y.z', 'EXPLAIN SELECT', READ, ['x'], []],
    ['EXPLAIN ANALYZE SELECT a INTO b FROM c', 'EXPLAIN ANALYZE SELECT', READ, ['request'], []],
    ['SHOW SERIES', 'SHOW SERIES', READ, ['request'], []],
    ['SHOW SERIES ON d FROM e', 'SHOW SERIES', READ, ['d'], []],
    ['SHOW SERIES ON d FROM x.y.z, w', 'SHOW SERIES', READ, ['x', 'd'], []],
    ['SHOW TAG VALUES ON d WITH KEY = "ON"', 'SHOW TAG VALUES', READ, ['d'], []],
    ['DELETE FROM a', 'DELETE', CHANGE, [], ['request']],
    ['DROP MEASUREMENT a', 'DROP MEASUREMENT', CHANGE, [], ['request']],
    ['DROP SERIES WHERE a = 1', 'DROP SERIES', CHANGE, [], ['request']],
    ['CREATE DATABASE "a\\"b"', 'CREATE DATABASE', CHANGE, [], ['a"b']],
    ['DROP DATABASE a"b"', 'DROP DATABASE', CHANGE, [], ['b']],
    ['ALTER RETENTION POLICY p ON d DEFAULT', 'ALTER RETENTION POLICY', CHANGE, [], ['d']],
    ['DROP SUBSCRIPTION s ON d.p', 'DROP SUBSCRIPTION', CHANGE, [], ['d']],
    ['GRANT ALL ON d TO u', 'GRANT', CHANGE, [], ['d']],
    [
      'CREATE CONTINUOUS QUERY q ON d BEGIN SELECT a INTO u.v.w FROM x.y.z END',
      ...(['CREATE CONTINUOUS QUERY', CHANGE, [], ['d']] as [string, string, string[], string[]]),
    ],
  ])('of %s', (text, kind, effect, reads, changes) => {
    expect(one(text)).toMatchObject({ kind, effect, reads, changes, isServerWide: false })
  })

  test.each([
    ['SHOW DATABASES', 'read'],
    ['SHOW QUERIES', 'read'],
    ['KILL QUERY 5 ON "a"', 'change'],
    ['DROP SHARD 5', 'change'],
    ['GRANT ALL TO u', 'change'],
    ["SET PASSWORD FOR u = 'p'", 'change'],
    ['CREATE DATABASE ""', 'change'],
    ['DROP DATABASE $unknown', 'change'],
  ])('of %s are those of the whole server', (text, effect) => {
    expect(one(text)).toMatchObject({ effect, reads: [], changes: [], isServerWide: true })
  })

  test('of SHOW MEASUREMENTS ON *.*, which newer servers have, are those of the whole server', () => {
    expect(one('SHOW MEASUREMENTS ON *.*')).toMatchObject({ effect: 'read', isServerWide: true })
  })

  test('are empty where neither the statement nor the request names a database', () => {
    const [statement] = statementsOf('SELECT a FROM b', { database: '' })
    expect(statement).toMatchObject({ reads: [], isServerWide: false })
  })

  test('are the identifiers that parameters stand for', () => {
    const parameters = { d: { identifier: 'x' }, e: { ident: 'y' }, s: 'z', __proto__: 1 }
    expect(one('SELECT a INTO $e.p.m FROM $"d"..n', parameters)).toMatchObject({
      ...{ reads: ['x'], changes: ['y'], isServerWide: false },
    })
    for (const name of ['$s', '$toString', '$', '$none']) {
      expect(one(`SELECT a FROM ${name}.p.m`, parameters)).toMatchObject({ isServerWide: true })
    }
  })
})

describe('a change of the whole server is what cannot be read', () => {
  test.each([
    'FOO',
    'SHOW FOO',
    'EXPLAIN DROP DATABASE x',
    'INSERT cpu value=1',
    'SELECT a FROM (b',
    'SELECT a FROM b)',
    "SELECT a FROM b WHERE c = 'd",
    "SELECT a FROM b WHERE c = '\\d'",
    "SELECT a FROM b WHERE c = 'd\ne'",
    'SELECT a FROM "b',
    'SELECT a FROM b WHERE c =~ /d',
    'SELECT a FROM b WHERE c =~ /* d */ /e/',
    'SELECT a FROM b WHERE /c/',
    'SELECT a FROM b /* c',
    'SELECT a FROM b \0',
    'SELECT a FROM b\u00a0',
    'SELECT é FROM b',
  ])('%j', (text) => {
    expect(one(text)).toMatchObject({ kind: 'unknown', effect: 'change', isServerWide: true })
  })

  test('and it reaches to the end of the text where its tokens cannot be read', () => {
    const text = "SHOW USERS; SELECT 'a; DROP DATABASE b; SHOW USERS"
    expect(kinds(text)).toEqual(['SHOW USERS', 'unknown'])
    expect(read(text)[1]).toMatchObject({ start: 12, end: text.length })
  })

  test('but statements behind one with unknown words are read', () => {
    expect(kinds('FOO BAR; SHOW USERS')).toEqual(['unknown', 'SHOW USERS'])
  })
})

test('statements are in order, apart from each other, and within the text', () => {
  for (const text of INFLUXQL_STATEMENTS) {
    let from = 0
    for (const { start, end } of read(text)) {
      expect(start).toBeGreaterThanOrEqual(from)
      expect(end).toBeGreaterThan(start)
      from = end
    }
    expect(from).toBeLessThanOrEqual(text.length)
  }
})

test("a query loses the white space around it, as in InfluxDB's handler", () => {
  expect(trimmedQuery('\u3000\v SHOW USERS\u0085\u00a0\u2003\f\n')).toBe('SHOW USERS')
  expect(trimmedQuery('\ufeffSHOW\u3000USERS\u200b')).toBe('\ufeffSHOW\u3000USERS\u200b')
  expect(trimmedQuery(' \n')).toBe('')
})
