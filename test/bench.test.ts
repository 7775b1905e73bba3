/** What the bench makes of its measurements, and of its command line. */

import { describe, expect, test } from 'vitest'
import { parseOptions } from '../bench/options.ts'
import { type Sample, Samples, spread } from '../bench/samples.ts'
import { markdown, short, table } from '../bench/table.ts'

const sample = (subject: string, round: number, rate: number, setting = 's'): Sample => ({
  part: 'p',
  setting,
  subject,
  round,
  figures: { rate },
})

describe('samples', () => {
  test('a spread is a median with the least and the most', () => {
    expect(spread([3, 1, 2])).toEqual({ median: 2, least: 1, most: 3 })
    expect(spread([4, 1, 2, 3])).toEqual({ median: 2.5, least: 1, most: 4 })
    expect(spread([])).toBeUndefined()
  })

  test('a ratio compares figures of one round', () => {
    const samples = new Samples([
      sample('direct', 1, 100),
      sample('bun', 1, 200),
      sample('direct', 2, 10),
      sample('bun', 2, 30),
      sample('bun', 3, 1000), // nothing to compare it with
    ])
    expect(samples.ratio('p', 's', ['bun', 'direct'], 'rate')).toEqual({
      median: 2.5,
      least: 2,
      most: 3,
    })
    expect(samples.ratio('p', 's', ['deno', 'direct'], 'rate')).toBeUndefined()
  })

  test('a ratio can compare two settings of one subject', () => {
    const samples = new Samples([sample('bun', 1, 50, 'down'), sample('bun', 1, 100, 'healthy')])
    expect(samples.ratio('p', 'down', ['bun', 'bun'], 'rate', 'healthy')?.median).toBe(0.5)
  })
})

describe('tables', () => {
  const rows = [
    ['subject', 'rate'],
    ['bun', '1,200'],
  ]

  test('set the first column left and others right', () => {
    expect(table(rows)).toBe('subject   rate\nbun      1,200')
  })

  test('can be Markdown', () => {
    expect(markdown(rows)).toBe('| subject | rate |\n| --- | --: |\n| bun | 1,200 |')
  })

  test.each([
    [1234.5, '1,235'],
    [12.34, '12.3'],
    [1.234, '1.23'],
    [Number.NaN, ''],
    [undefined, ''],
  ])('show %s as "%s"', (value, text) => expect(short(value)).toBe(text))
})

describe('options', () => {
  test('a quick run has one round of a second', () => {
    expect(parseOptions(['--quick'])).toMatchObject({ quick: true, rounds: 1, seconds: 1 })
  })

  test('lists, peers and times are read', () => {
    expect(
      parseOptions(['--only', 'udp,micro', '--peer', 'go=/bin/relay', '--soak', '10m']),
    ).toMatchObject({
      only: ['udp', 'micro'],
      peers: new Map([['go', '/bin/relay']]),
      soak: 600,
      rounds: 3,
    })
  })

  test.each([
    ['--rounds', '0', '--rounds is 0; it must be 1 or more'],
    ['--seconds', '0.5', '--seconds is 0.5; it must be 1 or more'],
    ['--peer', 'go', '--peer is go; it must be NAME=PATH'],
    ['--soak', '10', '--soak is 10; it must be like 90s or 10m'],
  ])('%s %s is refused', (option, value, message) => {
    expect(() => parseOptions([option, value])).toThrow(message)
  })
})
