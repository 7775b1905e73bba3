/**
 * Credentials as Authorization headers. They are secrets: none may reach a log or an error message.
 *
 * A user whose name has a colon cannot travel in the Basic scheme, which ends the name at the first one
 * (RFC 7617), nor as a token of InfluxDB 1.8, which does the same. influxd reads such a name from the query
 * parameters `u` and `p` alone. Until they are sent, these credentials are kept in a scheme of the relay's
 * own, `Query u=…&p=…`. A client that sends this header gives its credentials in one more way.
 */

import { base64 } from './base64.ts'
import { decoded } from './query-string.ts'

/** The header of a user: in the Basic scheme, in UTF-8, if that can hold the name. */
export function userAuthorization(user: string, password: string): string {
  if (user.includes(':')) {
    return `Query u=${encodeURIComponent(user)}&p=${encodeURIComponent(password)}`
  }
  return `Basic ${base64(new TextEncoder().encode(`${user}:${password}`))}`
}

/** The query parameters that carry credentials of the scheme `Query`; undefined for any other scheme. */
export function credentialParameters(authorization: string): string | undefined {
  return /^Query (u=[^&=\s]+&p=[^&=\s]+)$/.exec(authorization)?.[1]
}

/** The name of the user whose credentials these are; undefined for a scheme that does not tell it. */
export function userOf(authorization: string | undefined): string | undefined {
  const [, scheme = '', value = ''] = /^(\w+) (.*)$/s.exec(authorization ?? '') ?? []
  const [, encoded] = /^u=([^&]*)/.exec(value) ?? []
  if (scheme === 'Query' && encoded !== undefined) return decoded(encoded)
  if (scheme.toLowerCase() === 'token') return value.split(':', 1)[0]
  if (scheme.toLowerCase() !== 'basic') return undefined
  try {
    const bytes = Uint8Array.from(atob(value), (character) => character.charCodeAt(0))
    return new TextDecoder().decode(bytes).split(':', 1)[0]
  } catch {
    return undefined
  }
}

/** Hides the password of `credentialParameters` in a text that quotes the URL of a request. */
export function withoutPassword(text: string, parameters: string): string {
  const [, encoded = ''] = /&p=(.+)$/.exec(parameters) ?? []
  return text.replaceAll(encoded, '***').replaceAll(decoded(encoded), '***')
}

/**
 * The header that every InfluxDB 1.x understands for one that came to `/api/v2/write`: a token of
 * InfluxDB 1.8 is `user:password`. Any other header stays as it is.
 */
export function fromTokenAuthorization(authorization: string | undefined): string | undefined {
  const [, token] = /^Token (.+:.*)$/i.exec(authorization ?? '') ?? []
  return token === undefined ? authorization : `Basic ${base64(headerBytes(token))}`
}

/**
 * The UTF-8 bytes of a part of a header. Runtimes decode headers as Latin-1, but some clients send
 * UTF-8 in them: bytes that are valid UTF-8 count as such.
 */
function headerBytes(text: string): Uint8Array {
  const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0))
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return bytes
  } catch {
    return new TextEncoder().encode(text)
  }
}
