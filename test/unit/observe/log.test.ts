import { describe, expect, test } from 'vitest'
import { Counters } from '../../../src/observe/counters.ts'
import { createLog } from '../../../src/observe/log.ts'
import { RepeatedWarning } from '../../../src/observe/repeated-warning.ts'
import { FakeClock } from '../../support/fake-runtime.ts'

function createFixture() {
  const lines: string[] = []
  const clock = new FakeClock()
  const counters = new Counters()
  const log = createLog((line) => lines.push(line), clock.wallNanoseconds, counters)
  return { lines, clock, log, counters }
}

describe('a log line', () => {
  test('is logfmt with time, level and message first', () => {
    const { log, lines } = createFixture()
    log.with({ relay: 'x' }).info('ready', { port: 9096, rp: undefined })
    expect(lines).toEqual(['time=2023-11-14T22:13:20.000Z level=info msg=ready relay=x port=9096'])
  })

  test.each([
    ['two words', '"two words"'],
    ['', '""'],
    ['a=b', '"a=b"'],
    ['say "hi"', '"say \\"hi\\""'],
    ['line\nbreak\u0001', '"line\\nbreak\\u0001"'],
    ['C:\\x', '"C:\\\\x"'],
    ['größe', '"größe"'],
    ['\u007f\u009b31m', '"\\u007f\\u009b31m"'],
    ['a\u2028b\u2029', '"a\\u2028b\\u2029"'],
    ['\u202etxt.exe\u2066', '"\\u202etxt.exe\\u2066"'],
    ['\ud800x\udc00', '"\\ud800x\\udc00"'],
    ['\u{e0041}\ufeff', '"\\udb40\\udc41\\ufeff"'],
    ['\0\r\n\t', '"\\u0000\\r\\n\\t"'],
  ])('quotes %j as %s', (value, quoted) => {
    const { log, lines } = createFixture()
    log.warn('m', { value })
    expect(lines[0]).toMatch(/^[^\n]*$/)
    expect(lines[0]?.split(' value=')[1]).toBe(quoted)
  })
})

test('no character of a value reaches a log line raw unless it can be printed', () => {
  const { log, lines } = createFixture()
  for (let start = 0; start < 0x11_0000; start += 256) {
    const codes = Array.from({ length: 256 }, (_, i) => start + i)
    const value = codes.map((code) => String.fromCodePoint(code)).join('')
    log.warn('m', { value })
    const quoted = lines.at(-1)?.split(' value=')[1] ?? ''
    expect(quoted).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u)
    expect(JSON.parse(quoted)).toBe(value)
  }
})

test('a long value is cut, so that a log line is bounded', () => {
  const { log, lines } = createFixture()
  log.warn('m', { value: 'x'.repeat(10_000_000), other: '\u009b'.repeat(10_000_000) })
  expect(lines[0]?.length).toBeLessThan(10_000)
  expect(lines[0]).toContain(`${'x'.repeat(1000)}…`)
})

describe('a repeated warning', () => {
  test('is logged at once, then as one line per interval with the sums of its figures', async () => {
    const { log, lines, clock } = createFixture()
    const warning = new RepeatedWarning(clock, log, 'dropped')
    for (let i = 0; i < 4; i++) warning.report({ last: i }, { points: 2 })
    expect(lines).toHaveLength(1)
    expect(lines[0]).toContain('msg=dropped last=0 points=2')
    await clock.advance(10_000)
    expect(lines).toHaveLength(2)
    expect(lines[1]).toContain('last=3 points=6 times=3')
    await clock.advance(100_000)
    expect(lines).toHaveLength(2)
    warning.report({ last: 9 }, { points: 1 })
    expect(lines[2]).toContain('last=9 points=1')
  })

  test('prints only the figures of events since the last line', async () => {
    const { log, lines, clock } = createFixture()
    const warning = new RepeatedWarning(clock, log, 'dropped')
    warning.report({}, { points: 2 })
    warning.report({}, { bytes: 5 })
    await clock.advance(10_000)
    expect(lines[1]).toMatch(/msg=dropped bytes=5$/)
  })

  test('counts every event and its figures, printed or not', () => {
    const { log, clock, counters } = createFixture()
    const warning = new RepeatedWarning(clock, log.with({ backend: 'a' }), 'dropped')
    for (let i = 0; i < 4; i++) warning.report({ last: i }, { points: 2 })
    const labels = { backend: 'a' }
    expect(counters.snapshot()).toEqual([
      { name: 'dropped', labels, value: 4 },
      { name: 'dropped: points', labels, value: 8 },
    ])
    warning.flush()
    expect(counters.snapshot()).toMatchObject([{ value: 4 }, { value: 8 }])
  })

  test('logs at a flush what it has not logged yet', () => {
    const { log, lines, clock } = createFixture()
    const warning = new RepeatedWarning(clock, log, 'dropped')
    warning.flush()
    for (let i = 0; i < 3; i++) warning.report({}, {})
    warning.flush()
    expect(lines).toHaveLength(2)
    expect(lines[1]).toContain('times=2')
  })
})

describe('counters', () => {
  test('with the same name and labels are added up in a snapshot, but not for their owners', () => {
    const { log, counters } = createFixture()
    const a = log.with({ backend: 'a' })
    const own = a.counter('retries')
    const others = [a.counter('retries'), log.with({ backend: 'b' }).counter('retries')]
    own.add()
    for (const counter of others) counter.add(10)
    expect(own.value).toBe(1)
    expect(counters.snapshot()).toEqual([
      { name: 'retries', labels: { backend: 'a' }, value: 11 },
      { name: 'retries', labels: { backend: 'b' }, value: 10 },
    ])
  })
})
