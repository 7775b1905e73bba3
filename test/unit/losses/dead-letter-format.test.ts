import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { join } from '../../../src/influxdb/lines.ts'
import { stamp } from '../../../src/influxdb/stamp.ts'
import {
  type DeadLetter,
  encodeLetter,
  intactBytes,
  kindOf,
} from '../../../src/losses/dead-letter-format.ts'
import { letter } from '../../support/letter-fixture.ts'

const encode = (text: string) => new TextEncoder().encode(text)
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

const headerOf = (given: DeadLetter) => decode(kindOf(given).header)
const textOf = (given: DeadLetter) => decode(encodeLetter(given))
const isImportable = (given: DeadLetter) => headerOf(given).includes('# CONTEXT-DATABASE: ')

describe('the header of a file', () => {
  test('gives commands for influx -import and for curl', () => {
    expect(headerOf(letter('m v=1 5\n', { retentionPolicy: 'one month' }))).toBe(
      `# DML
# CONTEXT-DATABASE: telegraf
# CONTEXT-RETENTION-POLICY: one month
# precision: s
# Not taken by influx2. To send these points again:
#   influx -import -precision s -path FILE
#   curl --data-binary @FILE 'http://SERVER:8086/write?db=telegraf&rp=one%20month&precision=s'
# The relay checks this file when it starts: make changes in a copy.

`,
    )
  })

  test('gives only a command for curl if influx -import would change the points', () => {
    expect(headerOf(letter('m v="a\nb" 5\n', { database: "it's:x" }))).toBe(
      `# DML
# precision: s
# Not taken by influx2. To send these points again:
#   curl --data-binary @FILE 'http://SERVER:8086/write?db=it%27s%3Ax&precision=s'
# influx -import would change these points, or misread their database.
# The relay checks this file when it starts: make changes in a copy.

`,
    )
  })

  test('gives a command for each remote write of Prometheus', () => {
    const given = {
      kind: 'remote-write',
      database: "it's:x",
      retentionPolicy: 'one month',
    } as const
    expect(headerOf(letter('any', given))).toBe(
      `# DML
# Remote writes of Prometheus that influx2 has not taken. To send them again:
#   grep -v '^#' FILE | while read -r BODY; do echo "$BODY" | base64 -d |
#     curl -H 'Content-Encoding: snappy' --data-binary @- 'http://SERVER:8086/api/v1/prom/write?db=it%27s%3Ax&rp=one%20month'; done
# The relay checks this file when it starts: make changes in a copy.
`,
    )
  })

  test.each([
    ['', 'ns'],
    ['n', 'ns'],
    ['ns', 'ns'],
    ['us', 'ns'],
    ['u', 'u'],
    ['ms', 'ms'],
    ['s', 's'],
    ['m', 'm'],
    ['h', 'h'],
  ])('names the precision %j %s', (precision, name) => {
    expect(headerOf(letter('m v=1 5', { precision }))).toContain(`-import -precision ${name} `)
  })
})

describe('influx -import', () => {
  test.each([
    ['m v=1 5'],
    ['m v=1 5\nm v=2 6\n'],
    ['m v=1 5\n\n# said "so"\nm v=2 6\n'],
    ['m v="# CONTEXT-DATABASE: x" 5\n'],
    ['m,t=a\\ b v="\\"" 5\n'],
  ])('may send %j', (body) => {
    expect(isImportable(letter(body))).toBe(true)
  })

  test.each([
    ['a newline in a string', 'm v="a\nb" 5\n'],
    ['a line that goes on after a backslash', 'm\\\nx v=1 5\n'],
    ['a comment that swallows a line', '# a="\nm v=1 5\n" \n'],
    ['an open string', 'm v=1 5\nm v="a\n'],
    ['a backslash at the end', 'm v=1 5\\'],
    ['a comment that names another database', 'm v=1 5\n# CONTEXT-DATABASE: other\nm v=2 6\n'],
    ['a comment that names another policy', '# CONTEXT-RETENTION-POLICY: x\nm v=2 6\n'],
  ])('must not send %s', (_, body) => {
    expect(isImportable(letter(body))).toBe(false)
  })

  test.each([['a:b'], [' a'], ['a\u00a0'], ['a="b'], ['a\\'], ['a\nb'], ['a\tb'], ['']])(
    'must not send to the database or policy %j',
    (name) => {
      expect(isImportable(letter('m v=1 5', { database: name }))).toBe(false)
      if (name === '') return
      expect(isImportable(letter('m v=1 5', { retentionPolicy: name }))).toBe(false)
    },
  )

  test.each([["it's"], ['é %20&x#y'], ['a b'], ['日本']])('may send to the database %j', (name) => {
    expect(headerOf(letter('m v=1 5', { database: name }))).toContain(
      `# CONTEXT-DATABASE: ${name}\n`,
    )
  })
})

describe('the name of a file', () => {
  test.each([
    [{}, 'influx2.telegraf.s'],
    [{ retentionPolicy: 'autogen', precision: '' }, 'influx2.telegraf.autogen.ns'],
    [{ database: '../é/b.c', backend: '.' }, '%2E.%2E%2E%2F%C3%A9%2Fb%2Ec.s'],
    [{ database: 'a:b' }, 'influx2.a%3Ab.s.curl'],
  ])('of %j is %s', (given, name) => {
    expect(kindOf(letter('m v=1 5', given)).fileName).toBe(name)
  })

  test('is valid on every file system', () => {
    const text = fc.string({ unit: 'binary', maxLength: 300 })
    fc.assert(
      fc.property(text, text, text, (backend, database, retentionPolicy) => {
        const { fileName } = kindOf(letter('m', { backend, database, retentionPolicy }))
        expect(fileName).toMatch(/^[\w.%~-]{1,220}$/)
      }),
    )
  })

  test('differs for long names with the same start', () => {
    const [a, b] = ['x', 'y'].map((end) => kindOf(letter('m', { database: 'a'.repeat(100) + end })))
    expect(a?.fileName).not.toBe(b?.fileName)
  })
})

test.each([
  ['backend', { backend: 'x' }],
  ['database', { database: 'x' }],
  ['retention policy', { retentionPolicy: 'x' }],
  ['precision', { precision: 'ms' }],
  ['command', { points: stamp(encode('m v="a\nb" 5'), () => '5') }],
])('a letter with another %s is of another kind', (_, other) => {
  expect(kindOf(letter('m v=1 5', other)).key).not.toBe(kindOf(letter('m v=1 5')).key)
})

describe('a letter', () => {
  test('is a comment and the unchanged body', () => {
    expect(textOf(letter('m v=1 5\n'))).toBe(
      '# 2023-11-14T22:13:20.123Z 8 bytes crc32c 5391b7e3 influx2 answered 400: ' +
        'field type conflict\nm v=1 5\n',
    )
  })

  test('ends in a newline', () => {
    expect(textOf(letter('m v=1 5'))).toMatch(/ 8 bytes .*\nm v=1 5\n$/)
    expect(textOf(letter('m v="a'))).toMatch(/ 7 bytes .*\nm v="a\n$/)
  })

  test('names no status if the write was not sent', () => {
    const given = letter('m v=1 5', { status: undefined, message: 'too old' })
    expect(textOf(given)).toContain(' influx2: too old\n')
  })

  test('has a comment that ends at the end of its line', () => {
    const message = "unable to parse 'm v=\"a\\': \u0000bad\r\nm v=1 6\u2028\u009b"
    expect(textOf(letter('m v=1 5', { message }))).toContain(
      " answered 400: unable to parse 'm v='a/':  bad  m v=1 6  \nm v=1 5\n",
    )
  })

  test('has a comment of bounded length', () => {
    const given = letter('m v=1 5', { message: 'x'.repeat(1_000_000) })
    expect(encodeLetter(given).length).toBeLessThan(1200)
  })
})

/** Text full of characters that are special to influxd's scanner. */
const wild = fc
  .array(fc.constantFrom('m v=1', ' ', '"', '\\', '\n', '=', ',', '#', 'a', ' 5\n', 'v="'), {
    maxLength: 20,
  })
  .map((parts) => parts.join(''))

const anyLetter = fc
  .record({ backend: wild, database: wild, retentionPolicy: wild, message: wild, body: wild })
  // influxd treats a backslash before the last byte of a body specially.
  .filter(({ body }) => !/\\.?$/s.test(body))
  .map(({ body, ...names }) => letter(body, names))

test('no comment hides a point, whatever the names and messages', () => {
  fc.assert(
    fc.property(fc.array(anyLetter, { minLength: 1 }), (letters) => {
      const closed = letters.filter(({ points }) => points.endsCleanly)
      for (const one of closed) {
        const file = join([kindOf(one).header, ...closed.map(encodeLetter)])
        const { count, bytes } = stamp(file, () => 'LATE')
        const counts = closed.map(({ points }) => stamp(points.bytes, () => '').count)
        expect(count).toBe(counts.reduce((sum, count) => sum + count, 0))
        expect(decode(bytes)).not.toContain('LATE')
      }
    }),
  )
})

describe('the intact part of a file', () => {
  const bodies = ['m v=1 5\nm v=2 6\n', 'm v="a\nb" 7', '# 0 bytes\nm v=3 8']
  const letters = bodies.map((body) => encodeLetter(letter(body)))
  const header = kindOf(letter(bodies[0] as string)).header
  const file = join([header, ...letters])
  const ends = letters.map((_, i) => join([header, ...letters.slice(0, i + 1)]).length)

  test('is the whole file if nothing is missing', () => {
    expect(intactBytes(file)).toBe(file.length)
  })

  test('ends with the last whole letter, wherever the file is cut', () => {
    for (let length = 0; length < file.length; length++) {
      const expected = Math.max(0, ...ends.filter((end) => end <= length))
      expect(intactBytes(file.subarray(0, length)), `${length} bytes`).toBe(expected)
    }
  })

  test('ends before a body that has changed or is incomplete', () => {
    for (const [i, end] of ends.entries()) {
      const before = i === 0 ? 0 : (ends[i - 1] as number)
      const changed = file.slice()
      changed[end - 2] = (changed[end - 2] as number) ^ 1
      expect(intactBytes(changed)).toBe(before)
      const zeros = file.slice().fill(0, end - 4)
      expect(intactBytes(zeros)).toBe(before)
    }
  })

  test('ends before lines that belong to no letter', () => {
    const other = join([file, encode('m v=9 9\n'), encodeLetter(letter('m v=1 5'))])
    expect(intactBytes(other)).toBe(file.length)
  })
})
