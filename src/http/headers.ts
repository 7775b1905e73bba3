/** Headers that come more than once: influxd reads the first of them, runtimes join them by `, `. */

/** The first of several values of a header that is one word. */
export function firstOf(joined: string | null): string | undefined {
  return joined?.split(', ', 1)[0]
}

/**
 * The first of several Authorization headers. Its credentials may have a comma in them, so it ends only
 * where another scheme begins.
 */
export function firstAuthorization(joined: string | null): string | undefined {
  return joined?.split(/, (?=(?:Basic|Bearer|Token) )/i, 1)[0]
}

/** The headers with some names that a request has. */
export function only(names: readonly string[], headers: Headers): Record<string, string> {
  const found: Record<string, string> = {}
  for (const name of names) {
    const value = headers.get(name)
    if (value !== null) found[name] = value
  }
  return found
}
