/** Durations as in Go: `10s`, `1m30s`, `500ms`, `1.5h`. */

const MILLISECONDS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}

/**
 * Parses a duration by the grammar of Go's `time.ParseDuration`, but without a sign.
 *
 * @returns milliseconds, with a fraction; undefined if the text is not a duration
 */
export function parseDuration(text: string): number | undefined {
  if (text === '0') return 0
  if (!/^((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+$/.test(text)) return undefined
  let total = 0
  for (const [, number, unit] of text.matchAll(/([\d.]+)([a-zµμ]+)/g)) {
    total += Number(number) * (MILLISECONDS[unit as string] as number)
  }
  return total
}
