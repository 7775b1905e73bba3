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
 * Where a statement is malformed or its quotes are, so that it is unclear where a password ends, the
 * rest of the text is masked. So are comments that speak of passwords. The values of bound parameters
 * (`$name`) are not in the text.
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
  for (;;) {
    const type = reader.next()
    const { start, end, previousEnd } = scanner
    if (hasPassword(text.slice(previousEnd, start))) mask(previousEnd, start)
    if (type === ';' || type === 'end') [first, second] = ['', '']
    else if (first === '') first = type
    else if (second === '') second = type
    const isOfUser = first === 'SET' || (first === 'CREATE' && second === 'USER')
    const next = type === 'PASSWORD' ? 'password' : TRANSITIONS[state]?.[type]
    const isString = isOfUser && type === 'string'
    // A quote too few or too many turns statements into strings, and passwords into names.
    const isUnclear = type !== 'PASSWORD' && !isString && hasPassword(text.slice(start, end))
    if (isUnclear || (state !== 'outside' && !next) || (isOfUser && type === 'fault')) {
      mask(start, text.length)
      return masked
    }
    if (isString) mask(start, end)
    if (type === 'fault' || type === 'end') return masked + text.slice(copied)
    state = next ?? 'outside'
  }
}

const hasPassword = (text: string) => /password/i.test(text)
