/** Socket addresses, `host:port` as in Go. */

import type { Address } from '../runtime.ts'

/** Parses `127.0.0.1:9096`, `[::1]:9096`, `relay.example:9096` or `:9096`; else returns undefined. */
export function parseAddress(text: string): Address | undefined {
  const match = /^(?:\[([\da-f:.]+(?:%[\w.-]+)?)\]|([^[\]:/@?#\\\s\p{C}]*)):(\d{1,5})$/iu.exec(text)
  if (!match || Number(match[3]) > 65535) return undefined
  return { host: match[1] ?? match[2] ?? '', port: Number(match[3]) }
}

export function formatAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
