/** How many connections clients may have where the system lets a process open few files. */

/** What the runtime has open itself, and connections that are only told that there is no room. */
const OWN_FILES = 128

/** Connections to a backend, and what its buffer on disk has open. */
const FILES_PER_BACKEND = 128

/** Of few files all that is not for clients gets this share at the most. */
const MAX_SHARE = 3 / 4

/** What Node.js has by default. */
const MAX_BACKLOG = 511

/** For one HTTP relay. */
export interface ConnectionLimits {
  readonly maxConnections: number
  /** Connections that may wait to be accepted. */
  readonly backlog: number
}

/**
 * What some HTTP relays can have open at the most. Past what the system allows, no connection can be
 * accepted, and Deno's servers never accept one again. All that wait may be accepted before one of them
 * is closed, so there must be files for them, too.
 *
 * @param maxOpenFiles of the process; connections count as files
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
