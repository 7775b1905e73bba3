/** Shares the files that the process may open: connections are files, too. */

/** Files of the runtime, and connections that are being refused. */
const OWN_FILES = 128

/** Connections to a backend, and its share of the files of buffers. */
const FILES_PER_BACKEND = 128

/** The most that these may take where few files can be open. */
const MAX_SHARE = 3 / 4

/** The most files of buffers that are open at a time. With more, writes to disk are not faster. */
const MAX_BUFFER_FILES = 64

/** The share of the files of buffers where few files can be open. */
const BUFFER_SHARE = 1 / 8

/** The default of Node.js. */
const MAX_BACKLOG = 511

/** The bounds of one HTTP relay. */
export interface ConnectionLimits {
  readonly maxConnections: number
  /** Connections that may wait to be accepted. */
  readonly backlog: number
}

/**
 * The connections that each of some HTTP relays can have open. A connection is a file: once all files are in
 * use, none can be accepted, and Deno's servers never accept one again. All waiting connections may be
 * accepted before one is closed, so they need files, too.
 *
 * @param maxOpenFiles of the process
 */
export function connectionLimits(
  maxOpenFiles: number,
  relays: readonly { readonly backends: readonly unknown[] }[],
): ConnectionLimits {
  const backends = relays.reduce((sum, relay) => sum + relay.backends.length, 0)
  const others = Math.min(OWN_FILES + FILES_PER_BACKEND * backends, maxOpenFiles * MAX_SHARE)
  const room = (maxOpenFiles - others) / relays.length
  const backlog = Math.max(1, Math.min(MAX_BACKLOG, Math.floor(room / 2)))
  return { backlog, maxConnections: Math.max(1, Math.floor(room - backlog)) }
}

/**
 * The files of all buffers, of the gap ledger and of dead letters that may be open at a time, however many
 * lanes there are. The rest is for connections to clients and backends.
 *
 * @param maxOpenFiles of the process
 */
export function bufferFiles(maxOpenFiles: number): number {
  return Math.max(1, Math.min(MAX_BUFFER_FILES, Math.floor(maxOpenFiles * BUFFER_SHARE)))
}
