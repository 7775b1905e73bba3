/** Credentials as Authorization headers. They are secrets: none may reach a log or an error message. */

/** The header of a user in the Basic scheme, in UTF-8 (RFC 7617). */
export function basicAuthorization(user: string, password: string): string {
  return `Basic ${base64(new TextEncoder().encode(`${user}:${password}`))}`
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

function base64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
}
