/** The relay's reading of InfluxQL against InfluxDB's own parser. */

import { beforeAll, describe, expect, test } from 'vitest'
import { bindTimes } from '../../src/influxdb/bind-times.ts'
import { type Statement, statementsOf } from '../../src/influxdb/statement.ts'
import {
  type Parsed,
  type ParsedStatement,
  type Position,
  parseInfluxql,
  parserTestStrings,
} from '../real/influxql-parser.ts'
import { mutateInfluxql } from '../support/influxql-mutations.ts'
import { INFLUXQL_PARAMETERS, INFLUXQL_STATEMENTS } from '../support/influxql-statements.ts'
import { seededRandom } from '../support/seeded-random.ts'

const DATABASE = 'request'
const MUTATION_COUNT = 10_000

const NOW = { text: '2026-01-02T03:04:05.678901234Z', ns: 1767323045678901234n }
const LATEST = { text: '2026-01-02T03:04:06Z', ns: 1767323046000000000n }
const MUCH_LATER = '2100-01-01T00:00:00Z'

const parse = (texts: readonly string[], now = NOW.text, latest?: string) => {
  const context = { database: DATABASE, parameters: INFLUXQL_PARAMETERS, now }
  return parseInfluxql(texts.map((text) => ({ text, ...context, ...(latest && { latest }) })))
}
const read = (text: string) =>
  statementsOf(text, { database: DATABASE, parameters: INFLUXQL_PARAMETERS })

let corpus: string[] = []
let parsedCorpus: Parsed[] = []

beforeAll(async () => {
  corpus = [...new Set([...(await parserTestStrings()), ...INFLUXQL_STATEMENTS])]
  parsedCorpus = await parse(corpus)
})

/** How the relay reads a text that the parser takes, and how it should. */
function compare(text: string, expected: readonly ParsedStatement[]): string[] {
  const statements = read(text)
  if (text.includes('\0')) return comparePessimistically(text, statements, expected)
  const faults: string[] = []
  const check = (what: string, actual: unknown, wanted: unknown) => {
    const [a, b] = [JSON.stringify(actual), JSON.stringify(wanted)]
    if (a !== b) faults.push(`${what} is ${a}, not ${b}: ${JSON.stringify(text)}`)
  }
  check('the number of statements', statements.length, expected.length)
  if (faults.length > 0) return faults
  for (const [i, wanted] of expected.entries()) {
    const actual = statements[i] as Statement
    check('the kind', actual.kind, wanted.kind)
    check('the effect', actual.effect, wanted.changes ? 'change' : 'read')
    const [reads, changes] = [named(wanted.readsDatabases), named(wanted.changesDatabases)]
    check('what it reads', named(actual.reads), reads)
    check('what it changes', named(actual.changes), changes)
    check('whether it is server-wide', actual.isServerWide, reads.length + changes.length === 0)
    check('the start', actual.start, offsetOf(text, wanted.start))
    const between = text.slice(actual.end, offsetOf(text, wanted.terminator))
    check('what is behind its end', between.replace(BLANK, ''), '')
  }
  return faults
}

/** The relay does not scan a text with a NUL. */
function comparePessimistically(
  text: string,
  statements: readonly Statement[],
  expected: readonly ParsedStatement[],
): string[] {
  const hidden = expected.some(({ changes }) => changes) && !statements.some(isChange)
  return hidden ? [`a change is read as none: ${JSON.stringify(text)}`] : []
}

const isChange = ({ effect }: Statement) => effect === 'change'
const named = (names: readonly string[]) => names.filter((name) => name !== '').sort()

/** White space and comments. */
const BLANK = /^(?:[ \t\r\n]|--[^\r\n]*|\/\*[\s\S]*?\*\/)*/

function offsetOf(text: string, [line, character]: Position): number {
  const start = line === 0 ? 0 : lineStart(text, line)
  return start + [...text.slice(start)].slice(0, character).join('').length
}

function lineStart(text: string, line: number): number {
  const ends = [...text.matchAll(/\r\n|\r|\n/g)]
  const end = ends[line - 1] as RegExpExecArray
  return end.index + end[0].length
}

/** The first differences in some texts, and how many of them the parser takes. */
function compareAll(texts: readonly string[], parsed: readonly Parsed[]) {
  const faults: string[] = []
  let validCount = 0
  for (const [i, text] of texts.entries()) {
    const { error, statements = [] } = parsed[i] as Parsed
    if (error !== undefined) continue
    validCount++
    faults.push(...compare(text, statements))
  }
  return { faults: faults.slice(0, 20), validCount }
}

test("the statements of InfluxDB's tests and of our own are read as InfluxDB reads them", async () => {
  const { faults, validCount } = compareAll(corpus, parsedCorpus)
  expect(faults).toEqual([])
  expect(validCount).toBeGreaterThan(700)
})

test('mutated statements are read as InfluxDB reads them', async () => {
  const random = seededRandom(12)
  const valid = corpus.filter((_, i) => parsedCorpus[i]?.statements?.length)
  const mutations = Array.from({ length: MUTATION_COUNT }, () => mutateInfluxql(valid, random))
  const { faults, validCount } = compareAll(mutations, await parse(mutations))
  expect(faults).toEqual([])
  expect(validCount).toBeGreaterThan(MUTATION_COUNT / 4)
})

describe('a DELETE or SELECT INTO that is bound means later what it means now', () => {
  test.each([
    ['with a latest time', LATEST],
    ['without a latest time', undefined],
  ])('%s', async (_, latest) => {
    const random = seededRandom(13)
    const valid = corpus.filter((_, i) => parsedCorpus[i]?.statements?.some(({ ranges }) => ranges))
    const mutations = Array.from({ length: MUTATION_COUNT / 5 }, () =>
      mutateInfluxql(valid, random),
    )
    const texts = [...valid, ...mutations]
    const bound = texts.map((text) =>
      bindTimes(text, { now: NOW.ns, ...(latest && { latest: latest.ns }) }, INFLUXQL_PARAMETERS),
    )
    const before = await parse(texts, NOW.text, latest?.text)
    const after = await parse(bound, MUCH_LATER)
    let count = 0
    for (const [i, text] of texts.entries()) {
      const wanted = before[i]?.statements?.flatMap(({ ranges = [] }) => ranges)
      if (!wanted || wanted.some(isNoTimeRange) || text.includes('\0')) continue
      expect(
        after[i]?.statements?.flatMap(({ ranges = [] }) => ranges),
        `${text}\n${bound[i]}`,
      ).toEqual(wanted)
      count++
    }
    expect(count).toBeGreaterThan(1000)
  })
})

/** Whether InfluxDB would fail, or takes `time` for a field, as in `time < 5 < 6`. */
const isNoTimeRange = (range: string) => /^error|^.*\btime\b.* from /i.test(range)
