/** The kinds of value that a configuration holds, and what is said of a value of another kind. */

import * as v from 'valibot'
import type { Address } from '../runtime.ts'
import { parseAddress } from './address.ts'
import { didYouMean } from './did-you-mean.ts'
import { parseDuration } from './duration.ts'

/** Reads a file that the configuration names. */
export type ReadFile = (path: string) => Promise<string>

type Received = v.BaseIssue<unknown>

export const expected = (what: string) => (issue: Received) =>
  `expected ${what}, got ${issue.received}`
/** For keys whose value must not be shown. */
const expectedSecret = (what: string) => `expected ${what}`

export const text = v.pipe(
  v.string(expected('a string')),
  v.nonEmpty('expected a string that is not empty'),
)
export const secret = v.pipe(
  v.string(expectedSecret('a string')),
  v.nonEmpty(expectedSecret('a string')),
)
export const flag = v.boolean(expected('true or false'))

export const whole = (least: number, most = 1_000_000_000) => {
  const message = expected(`a whole number from ${least} to ${most}`)
  return v.pipe(
    v.number(message),
    v.integer(message),
    v.minValue(least, message),
    v.maxValue(most, message),
  )
}

/** A number for which 0, as for the Go relay, means the default. */
export const wholeOr = (fallback: number, most?: number) =>
  v.optional(
    v.pipe(
      whole(0, most),
      v.transform((number) => number || fallback),
    ),
    fallback,
  )

export const duration = v.pipe(
  v.string(expected('a duration such as "10s" or "1m30s"')),
  v.transform(parseDuration),
  v.number('expected a duration such as "10s" or "1m30s"'),
  v.minValue(1, 'expected a duration of at least 1ms'),
)

export const address = v.pipe(
  v.string(expected('an address such as "127.0.0.1:9096", "[::1]:9096" or ":9096"')),
  v.transform(parseAddress),
  v.custom<Address>(
    (value) => value !== undefined,
    'expected an address such as "127.0.0.1:9096", "[::1]:9096" or ":9096"',
  ),
)

/** What is wrong with a table, or with a key that it has or lacks. */
const tableMessage = (known: readonly string[]) => (issue: Received) => {
  if (issue.expected === 'Object') return `expected a table, got ${issue.received}`
  if (issue.expected !== 'never') return 'this key is missing'
  const guess = didYouMean(String(issue.input), known)
  return `unknown key; ${guess ? `did you mean "${guess}"?` : `known here: ${known.join(', ')}`}`
}

export const table = <Entries extends v.ObjectEntries>(entries: Entries) =>
  v.strictObject(entries, tableMessage(Object.keys(entries)))

export const tableAsync = <Entries extends v.ObjectEntriesAsync>(entries: Entries) =>
  v.strictObjectAsync(entries, tableMessage(Object.keys(entries)))

/** A file, read while the configuration is: an unreadable one stops the start. */
export const pemFile = (readFile: ReadFile, ...labels: string[]) =>
  v.pipeAsync(
    text,
    v.rawTransformAsync(async ({ dataset, addIssue, NEVER }) => {
      try {
        const pem = await readFile(dataset.value)
        const missing = labels.find((label) => !pem.includes(`${label}-----`))
        if (missing === undefined) return pem
        addIssue({ message: `${dataset.value} holds no "-----BEGIN ${missing}-----" block` })
      } catch (error) {
        addIssue({ message: `cannot read the file: ${(error as Error).message}` })
      }
      return NEVER
    }),
  )
