/** The Retry-After of an answer: seconds, or an HTTP date (RFC 9110, section 10.2.3). */

/** No server keeps its lanes waiting for longer. */
const MAX_MS = 5 * 60_000

/** The day of the week, which `Date.parse` does not need; without it, it would read other texts as dates. */
const HTTP_DATE = /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? .*\d\d:\d\d:\d\d/

/**
 * How long the server asks not to be sent anything, in milliseconds, at most five minutes. 0 for a time that
 * has passed, and for what is neither seconds nor a date.
 *
 * @param now ms since the Unix epoch
 */
export function retryAfterMs(retryAfter: string | undefined, now: () => number): number {
  const text = retryAfter?.trim() ?? ''
  const ms = /^\d+$/.test(text)
    ? Number(text) * 1000
    : HTTP_DATE.test(text)
      ? until(text, now())
      : 0
  return Math.min(ms, MAX_MS)
}

function until(date: string, now: number): number {
  const at = Date.parse(date)
  return Number.isNaN(at) ? 0 : Math.max(0, at - now)
}
