/** The log: one line an event, in logfmt, as influxd and Prometheus write it. */

export type Level = 'info' | 'warn' | 'error'

/** What a line says beside its message. Values never hold a secret. */
export type Fields = Readonly<Record<string, string | number | undefined>>

export interface Log {
  info(message: string, fields?: Fields): void
  warn(message: string, fields?: Fields): void
  error(message: string, fields?: Fields): void
  /** A log whose lines all carry these fields. */
  with(fields: Fields): Log
}

/**
 * @param write takes one line, without its newline
 * @param wallNanoseconds since the Unix epoch
 */
export function createLog(
  write: (line: string) => void,
  wallNanoseconds: () => bigint,
  context: Fields = {},
): Log {
  const line = (level: Level, message: string, fields: Fields = {}) => {
    const time = new Date(Number(wallNanoseconds() / 1_000_000n)).toISOString()
    write(logfmt({ time, level, msg: message, ...context, ...fields }))
  }
  return {
    info: (message, fields) => line('info', message, fields),
    warn: (message, fields) => line('warn', message, fields),
    error: (message, fields) => line('error', message, fields),
    with: (fields) => createLog(write, wallNanoseconds, { ...context, ...fields }),
  }
}

function logfmt(fields: Fields): string {
  return Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${quoted(String(value))}`)
    .join(' ')
}

/** Quoted if a reader could otherwise not tell where the value ends; no value can begin a new line. */
function quoted(value: string): string {
  return /^[!#-<>-[\]-~]+$/.test(value) ? value : JSON.stringify(value)
}
