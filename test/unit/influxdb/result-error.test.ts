import { expect, test } from 'vitest'
import { errorAnswer } from '../../../src/influxdb/answer.ts'
import {
  changedNothing,
  resultErrors,
  statementVerdict,
} from '../../../src/influxdb/result-error.ts'

const answerOf = (...lines: readonly unknown[]) => ({
  ...errorAnswer(200, ''),
  error: undefined,
  body: new TextEncoder().encode(lines.map((line) => `${JSON.stringify(line)}\n`).join('')),
})

/** An answer with this error for the statement at a position. */
const failed = (error: string, statement = 0) =>
  answerOf({ results: [{ statement_id: statement, error }] })

/** What an error means at first, once another server has executed the statement, and after a timeout. */
const verdictsOf = (text: string, error: string) =>
  [
    { mayBeApplied: false, isAcknowledged: false },
    { mayBeApplied: false, isAcknowledged: true },
    { mayBeApplied: true, isAcknowledged: false },
  ].map((known) => statementVerdict(failed(error), { text, ...known }))

test.each([
  // Of the moment.
  ['DELETE FROM m', 'timeout', 'failed failed failed'],
  ['DELETE FROM m', 'engine is closed', 'failed failed failed'],
  ['DELETE FROM m', 'shard is disabled', 'failed failed failed'],
  ['SELECT v INTO c FROM m', 'max-concurrent-queries limit exceeded', 'failed failed failed'],
  // Something is missing: a removal has nothing left to do.
  ['DROP USER u', 'user not found', 'unready stored stored'],
  ['DELETE FROM m', 'database not found: d', 'unready stored stored'],
  ['DROP RETENTION POLICY p ON d', 'retention policy not found: p', 'unready stored stored'],
  ['CREATE RETENTION POLICY p ON d', 'database not found: d', 'unready unready unready'],
  ['GRANT ALL ON d TO u', 'user not found', 'unready unready unready'],
  ['SELECT v INTO c FROM m', 'database not found: d', 'unready unready unready'],
  // Something exists.
  ["CREATE USER u WITH PASSWORD 'p'", 'user already exists', 'rejected rejected stored'],
  // Any other.
  ['CREATE DATABASE "a/b"', 'invalid name', 'rejected rejected rejected'],
  ['SHOW DATABASES; DROP DATABASE d', 'not executed', 'rejected rejected rejected'],
])('%s with the error "%s" is %s', (text, error, expected) => {
  expect(verdictsOf(text, error).join(' ')).toBe(expected)
})

test.each([
  [204, 'stored'],
  [400, 'rejected'],
  [401, 'unready'],
  [403, 'unready'],
  [404, 'unready'],
  [408, 'failed'],
  [413, 'rejected'],
  [429, 'failed'],
  [500, 'failed'],
  [503, 'failed'],
  [301, 'failed'],
])('the status %i is %s', (status, verdict) => {
  const known = { text: 'DROP DATABASE d', mayBeApplied: true, isAcknowledged: true }
  expect(statementVerdict({ ...errorAnswer(status, 'x') }, known)).toBe(verdict)
})

test('errors are found in chunks, and in pretty JSON', () => {
  const chunks = answerOf(
    { results: [{ statement_id: 0 }] },
    { results: [{ statement_id: 1, error: 'invalid name' }] },
  )
  expect(resultErrors(chunks)).toEqual([{ statement: 1, message: 'invalid name' }])
  const pretty = JSON.stringify({ results: [{ statement_id: 0, error: 'timeout' }] }, null, 4)
  const answer = { ...answerOf(), body: new TextEncoder().encode(pretty) }
  expect(resultErrors(answer)).toEqual([{ statement: 0, message: 'timeout' }])
})

test('a value that looks like an error is none', () => {
  const row = {
    results: [{ statement_id: 0, series: [{ values: [['"error"', '{"error":"x"}']] }] }],
  }
  expect(resultErrors(answerOf(row))).toEqual([])
})

test('a request whose first statement fails has changed nothing', () => {
  expect(changedNothing(errorAnswer(400, 'x'))).toBe(true)
  expect(changedNothing(failed('invalid name', 0))).toBe(true)
  expect(changedNothing(failed('invalid name', 1))).toBe(false)
})
