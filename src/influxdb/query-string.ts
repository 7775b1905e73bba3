/** Query strings as influxd reads them. */

/**
 * The parameters of a query string. The first of several with one name wins; a pair with a `;` or a
 * broken escape does not count. Names and values stay percent-encoded, in one canonical spelling.
 *
 * @param search with or without the leading `?`
 */
export function parameters(search: string): Map<string, string> {
  const found = new Map<string, string>()
  for (const pair of search.replace(/^\?/, '').split('&')) {
    if (pair === '' || pair.includes(';')) continue
    const cut = pair.indexOf('=')
    const name = canonical(cut < 0 ? pair : pair.slice(0, cut))
    const value = canonical(cut < 0 ? '' : pair.slice(cut + 1))
    if (name !== undefined && value !== undefined && !found.has(name)) found.set(name, value)
  }
  return found
}

/** Parameters as a query string, sorted: equal parameters give equal strings. */
export function queryString(parameters: ReadonlyMap<string, string>): string {
  return [...parameters]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
    .join('&')
}

/** One spelling for all ways to encode the same text; undefined if an escape is broken. */
function canonical(encoded: string): string | undefined {
  const text = encoded.replaceAll('+', ' ')
  if (/%(?![0-9a-f]{2})/i.test(text)) return undefined
  try {
    return encodeURIComponent(decodeURIComponent(text))
  } catch {
    // Escapes that are not UTF-8 stay as they are: only the backend knows what they name.
    return encoded
  }
}

/** A parameter as text. One that is not UTF-8 stays percent-encoded. */
export function decoded(encoded: string): string {
  try {
    return decodeURIComponent(encoded)
  } catch {
    return encoded
  }
}

/** A parameter as text. Bytes that are not UTF-8 are replaced: no keyword of InfluxQL has any. */
export function textOf(encoded = ''): string {
  try {
    return decodeURIComponent(encoded)
  } catch {
    const bytes: number[] = []
    for (const [piece] of encoded.replaceAll('+', ' ').matchAll(/%..|[^%]/gsu)) {
      if (piece.length === 3 && piece[0] === '%') bytes.push(Number.parseInt(piece.slice(1), 16))
      else bytes.push(...new TextEncoder().encode(piece))
    }
    return new TextDecoder().decode(Uint8Array.from(bytes))
  }
}

/** The query string of a URL, with its question mark; faster than to parse the whole URL. */
export function searchOf(url: string): string {
  const cut = url.indexOf('?')
  return cut < 0 ? '' : url.slice(cut)
}
