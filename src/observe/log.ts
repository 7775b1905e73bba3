/** The log: one line an event, in logfmt, as influxd and Prometheus write it. */

import { type Counter, Counters } from './counters.ts'
import { escaped, shortened } from './escape.ts'

type Level = 'info' | 'warn' | 'error'

/** The fields of a line after its message. Values never hold a secret. */
export type Fields = Readonly<Record<string, string | number | undefined>>

export interface Log {
  info(message: string, fields?: Fields): void
  warn(message: string, fields?: Fields): void
  error(message: string, fields?: Fields): void
  /** A log that adds these fields to each line. */
  with(fields: Fields): Log
  /** A new counter that has the log's fields as labels. Create it once, not at each event. */
  counter(name: string): Counter
}

/**
 * @param write takes one line, without its newline
 * @param wallNanoseconds since the Unix epoch
 * @param counters all counters that `counter` creates
 */
export function createLog(
  write: (line: string) => void,
  wallNanoseconds: () => bigint,
  counters = new Counters(),
): Log {
  const withContext = (context: Fields): Log => {
    const line = (level: Level, message: string, fields: Fields = {}) => {
      const time = new Date(Number(wallNanoseconds() / 1_000_000n)).toISOString()
      write(logfmt({ time, level, msg: message, ...context, ...fields }))
    }
    return {
      info: (message, fields) => line('info', message, fields),
      warn: (message, fields) => line('warn', message, fields),
      error: (message, fields) => line('error', message, fields),
      with: (fields) => withContext({ ...context, ...fields }),
      counter: (name) => counters.create(name, context),
    }
  }
  return withContext({})
}

function logfmt(fields: Fields): string {
  return Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${quoted(String(value))}`)
    .join(' ')
}

/** The most characters of a value that are printed. With the few fields of a line, it bounds the line. */
const MAX_VALUE_CHARS = 1000

/** Quotes a value whose end a reader could not tell. A value never starts a new line. */
function quoted(value: string): string {
  const short = shortened(value, MAX_VALUE_CHARS)
  return /^[!#-<>-[\]-~]+$/.test(short) ? short : escaped(JSON.stringify(short))
}
