/** Queries for logs: statements without their passwords. */

import { InfluxqlReader } from './influxql-reader.ts'
import type { TokenType } from './influxql-scanner.ts'

const MASK = '[REDACTED]'

/**
 * What can follow in `PASSWORD 'secret'` and `PASSWORD FOR user = 'secret'`, and the state that it
 * leads to.
 */
const TRANSITIONS: Readonly<Record<string, Readonly<Record<TokenType, string>>>> = {
  password: { string: 'outside', parameter: 'outside', FOR: 'for' },
  for: { identifier: 'user', parameter: 'user' },
  user: { '=': 'equals' },
  equals: { string: 'outside', parameter: 'outside' },
}

/**
 * Replaces the passwords of CREATE USER and SET PASSWORD in a query's text.
 *
 * Where a statement is malformed, so that it is unclear where its password ends, the rest of the text
 * is masked. So are comments that speak of passwords. The values of bound parameters (`$name`) are not
 * in the text.
 */
export function maskPasswords(text: string): string {
  const reader = new InfluxqlReader(text)
  const { scanner } = reader
  let masked = ''
  let copied = 0
  const mask = (start: number, end: number) => {
    masked += text.slice(copied, start) + MASK
    copied = end
  }
  let state = 'outside'
  /** The first two tokens of the statement. */
  let [first, second] = ['', '']
  for (let type = reader.next(); type !== 'end'; type = reader.next()) {
    const { start, end, previousEnd } = scanner
    if (/password/i.test(text.slice(previousEnd, start))) mask(previousEnd, start)
    if (first === '' || type === ';') [first, second] = [type.replace(';', ''), '']
    else if (second === '') second = type
    const isOfUser = first === 'SET' || (first === 'CREATE' && second === 'USER')
    if (isOfUser && type === 'string') mask(start, end)
    const next = type === 'PASSWORD' ? 'password' : TRANSITIONS[state]?.[type]
    const isUnclear = state !== 'outside' && next === undefined
    if (isUnclear || type === 'fault') {
      if (isUnclear || isOfUser || /password/i.test(text.slice(start))) mask(start, text.length)
      break
    }
    state = next ?? 'outside'
  }
  return masked + text.slice(copied)
}
