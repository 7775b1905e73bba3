/** Kinds of values in the configuration. Their messages say what a key expects and what it got. */

import * as v from 'valibot'
import { shortened } from '../observe/escape.ts'
import { parseAddress } from './address.ts'
import { didYouMean } from './did-you-mean.ts'
import { parseDuration } from './duration.ts'
import { isSecret, LocationError, parseLocation } from './location.ts'

/** Reads a file that the configuration names. */
export type ReadFile = (path: string) => Promise<string>

type Received = v.BaseIssue<unknown>

const NAMES: Readonly<Record<string, string>> = {
  Array: 'an array',
  Object: 'a table',
  TomlDate: 'a date or time',
  NaN: 'nan',
  Infinity: 'inf',
  '-Infinity': '-inf',
}

const MAX_SHOWN = 100

const MAX_LABEL_CHARS = 200

export const expected =
  (what: string) =>
  ({ received }: Received) => {
    return `expected ${what}, got ${shortened(NAMES[received] ?? received, MAX_SHOWN)}`
  }

export const text = v.string(expected('a string'))

/** A name of a relay or an output, which is a part of paths and log lines. */
export const label = v.pipe(
  text,
  v.regex(/^\P{Cc}*$/u, expected('a name without control characters')),
  v.regex(/^(?!\.{1,2}$)/, expected('a name that is not "." or ".."')),
  v.maxLength(MAX_LABEL_CHARS, `expected a name of at most ${MAX_LABEL_CHARS} characters`),
)

/** The path of a file or folder. */
export const path = v.pipe(
  text,
  v.regex(/^\P{Cc}*$/u, expected('a path without control characters')),
)

/** The path in a URL, with or without its first slash. */
export const urlPath = v.pipe(
  text,
  v.regex(
    /^[^\s\p{C}?#\\]*$/u,
    expected('the path of a URL, without spaces, "?", "#" and backslashes'),
  ),
)

/** A user name or a password, which no message shows. */
export const secret = v.pipe(
  v.string('expected a string'),
  v.check(isSecret, 'expected a string without line breaks and other control characters'),
)

/** A token, which no message shows. It stands in a header as it is. */
export const token = v.pipe(
  v.string('expected a string'),
  v.regex(
    /^[!-~]*$/,
    'expected ASCII characters without spaces and line breaks; for a name and a password, use the keys username and password',
  ),
)

export const flag = v.boolean(expected('true or false'))

export const oneOf = <const Options extends readonly (string | number)[]>(options: Options) =>
  v.picklist(options, expected(`one of ${options.join(', ')}`))

export const whole = (min: number, max = 1_000_000_000) => {
  const message = expected(`a whole number from ${min} to ${max}`)
  return v.pipe(
    v.number(message),
    v.integer(message),
    v.minValue(min, message),
    v.maxValue(max, message),
  )
}

/** A number for which 0, as in the Go relay, means the default. */
export const wholeOr = (fallback: number, max?: number) =>
  v.optional(
    v.pipe(
      whole(0, max),
      v.transform((number) => number || fallback),
    ),
    fallback,
  )

/**
 * A string that `parse` can read. A message does not show the string, which may be a URL with a
 * password, unless it is `shown`.
 */
const parsed = <Value>(what: string, parse: (text: string) => Value | undefined, shown = false) =>
  v.pipe(
    v.string(expected(what)),
    v.check((value) => parse(value) !== undefined, shown ? expected(what) : `expected ${what}`),
    v.transform((value) => parse(value) as Value),
  )

/** A length of time, in milliseconds. */
export const age = v.pipe(
  parsed('a duration such as "10s" or "1m30s"', parseDuration, true),
  v.minValue(1, 'expected a duration of at least 1ms'),
)

/** JavaScript timers fire at once if their delay exceeds 2³¹ - 1 ms, which are some 596 hours. */
const MAX_TIMER_HOURS = 500

/** The delay of a timer, in milliseconds. */
export const duration = v.pipe(
  age,
  v.maxValue(MAX_TIMER_HOURS * 3_600_000, `expected a duration of at most ${MAX_TIMER_HOURS}h`),
)

export const address = parsed(
  'an address such as "127.0.0.1:9096", "[::1]:9096" or ":9096"',
  parseAddress,
)

/** The URL of a server. */
export const location = v.pipe(
  v.string(expected('a URL such as "http://127.0.0.1:8086/write"')),
  v.rawTransform(({ dataset, addIssue, NEVER }) => {
    try {
      return parseLocation(dataset.value)
    } catch (error) {
      if (!(error instanceof LocationError)) throw error
      addIssue({ message: error.message })
      return NEVER
    }
  }),
)

/** The message for what is not a table, or for a key that is unknown or missing. */
const tableMessage = (known: readonly string[]) => (issue: Received) => {
  if (issue.expected === 'Object') return expected('a table')(issue)
  if (issue.expected !== 'never') return 'this key is missing'
  const guess = didYouMean(String(issue.input), known)
  return `unknown key; ${guess ? `did you mean "${guess}"?` : `known keys: ${known.join(', ')}`}`
}

export const table = <Entries extends v.ObjectEntries>(entries: Entries) =>
  v.strictObject(entries, tableMessage(Object.keys(entries)))

export const tableAsync = <Entries extends v.ObjectEntriesAsync>(entries: Entries) =>
  v.strictObjectAsync(entries, tableMessage(Object.keys(entries)))

/** The text of a PEM file with blocks of some labels. It is read now: a missing file stops the start. */
export const pemFile = (readFile: ReadFile, ...labels: string[]) =>
  v.pipeAsync(
    path,
    v.rawTransformAsync(async ({ dataset, addIssue, NEVER }) => {
      try {
        const pem = await readFile(dataset.value)
        const missing = labels.find((label) => !pem.includes(`${label}-----`))
        if (missing === undefined) return pem
        const file = shortened(dataset.value, MAX_SHOWN)
        addIssue({ message: `${file} has no "-----BEGIN ${missing}-----" block` })
      } catch (error) {
        const reason = shortened((error as Error).message, 2 * MAX_SHOWN)
        addIssue({ message: `cannot read the file: ${reason}` })
      }
      return NEVER
    }),
  )
