import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { errorAnswer, STORED } from '../../../src/influxdb/answer.ts'
import { stamp, withoutTimestamp } from '../../../src/influxdb/stamp.ts'

const encode = (text: string) => new TextEncoder().encode(text)
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const stamped = (text: string) => decode(stamp(encode(text), () => 'NOW').bytes)

describe('stamp', () => {
  test.each([
    // One line, with and without a timestamp.
    ['m v=1', 'm v=1 NOW'],
    ['m v=1\n', 'm v=1 NOW\n'],
    ['m v=1 5', 'm v=1 5'],
    ['m v=1 -5\n', 'm v=1 -5\n'],
    ['m v=1 5  \n', 'm v=1 5  \n'],
    ['m v=1  \n', 'm v=1   NOW\n'],
    ['  m v=1\n', '  m v=1 NOW\n'],
    ['m,t=a,u=b v=1,w=2i', 'm,t=a,u=b v=1,w=2i NOW'],
    ['m v=1 \t\0\n', 'm v=1 \t\0 NOW\n'],
    // Several.
    ['m v=1\nm v=2 7\n\n# no\nm v=3', 'm v=1 NOW\nm v=2 7\n\n# no\nm v=3 NOW'],
    // Escapes and quotes.
    ['m\\ x,t=a\\,b v=1', 'm\\ x,t=a\\,b v=1 NOW'],
    ['m v="a b 5"', 'm v="a b 5" NOW'],
    ['m v="a\nm v=1 5" 6\n', 'm v="a\nm v=1 5" 6\n'],
    ['m v="a\nm v=1"\n', 'm v="a\nm v=1" NOW\n'],
    ['m v="\\""', 'm v="\\"" NOW'],
    ['m v="\\\\"', 'm v="\\\\" NOW'],
    ['m "v"=1', 'm "v"=1 NOW'],
    ['m v="a"\\ 5', 'm v="a"\\ 5 NOW'],
    ['m v="a"\r\n', 'm v="a"\r NOW\n'],
    ['m,t="a v=1', 'm,t="a v=1 NOW'],
    // White space before the measurement has the scanner take tags for fields, and the quote for one
    // that opens a string: the line runs to the end of the body, less its newline.
    ['  m=x,t=a"b f=1\n', '  m=x,t=a"b f=1 NOW\n'],
    // What influxd rejects, if its end does not look like a field.
    ...[
      ['m', 'm ', 'm,t="a" v="b', 'm,t v="a"', 'm,t= v="a"', 'm,=a v=t', 'm,t=a=b v=t'],
      [',t=a v=t', 'm, v=t', 'm v', 'm v=', 'm v=,w=t', 'm v=1,', 'm =t', 'm v=1,=t'],
      ['m v = 1', 'm v=1,b\\ 5', 'm v="open', 'm v=abc', 'm v=1\t'],
      ['m v=1 x', 'm v=1 1.5', 'm v=1 1 2', 'm v=1 5\r'],
    ]
      .flat()
      .map((line) => [line, line]),
    // What influxd rejects with a timestamp as without one.
    ...[
      ['m,t v=1', 'm,t= v=1', 'm,=a v=1', 'm,t=a=b v=1', ',t=a v=1', 'm, v=1', 'm,t=1'],
      ['m v=,w=1', 'm =1', 'm v=1,=2', 'm v=+1', 'm v=1e', 'm v="a=1', 'm v=1 w=2'],
    ]
      .flat()
      .map((line) => [line, `${line} NOW`]),
    ['', ''],
    ['\n\n \n', '\n\n \n'],
    ['# m v=1\n', '# m v=1\n'],
    // A backslash at the very end would swallow the timestamp.
    ['m v=""\\', 'm v=""\\'],
    // An odd quote in a comment swallows the lines after it, as in influxd.
    ['# it"s a=" x\nm v=1\n', '# it"s a=" x\nm v=1\n'],
  ])('%j becomes %j', (before, after) => {
    expect(stamped(before as string)).toBe(after)
  })

  test('keeps bytes that are not UTF-8', () => {
    const body = Uint8Array.of(109, 0xff, 32, 118, 61, 49)
    expect([...stamp(body, () => '5').bytes]).toEqual([...body, 32, 53])
  })

  test('stamps a line alike wherever it stands in a body', () => {
    const word = fc.constantFrom(
      'm',
      'a',
      '1',
      '2.5',
      't',
      'true',
      ',',
      '=',
      ' ',
      '\t',
      '-',
      '#',
      '"',
      '\\',
    )
    fc.assert(
      fc.property(fc.array(word, { maxLength: 14 }), (words) => {
        const line = words.join('')
        const first = 'm v=1 5\n'
        expect(stamped(first + line)).toBe(first + stamped(line))
      }),
      { numRuns: 3000 },
    )
  })

  test('calls for the time once, and only if a point needs it', () => {
    let asked = 0
    const now = () => String(++asked)
    stamp(encode('m v=1 5\nm v=2 6'), now)
    expect(asked).toBe(0)
    expect(decode(stamp(encode('m v=1\nm v=2'), now).bytes)).toBe('m v=1 1\nm v=2 1')
  })

  test('returns the same bytes if no point needs a timestamp', () => {
    const body = encode('m v=1 5\n')
    expect(stamp(body, () => 'NOW').bytes).toBe(body)
  })
})

describe('withoutTimestamp', () => {
  test('takes the timestamp out of each quoted line, and out of the error header', () => {
    const quoted = (line: string) => `unable to parse '${line}': missing tag value`
    const answer = errorAnswer(400, [quoted('m,t= v=1 5'), quoted('m,t= v=2 5 5')].join('\n'))
    const expected = errorAnswer(400, [quoted('m,t= v=1'), quoted('m,t= v=2 5')].join('\n'))
    expect(withoutTimestamp(answer, '5')).toEqual(expected)
  })

  test.each([
    ['a success', STORED],
    ['an error that quotes no line', errorAnswer(400, 'database 5 not found')],
    [
      'a timestamp of the client',
      errorAnswer(400, "unable to parse 'm,t= v=1 6': missing tag value"),
    ],
  ])('returns %s as it is', (_, answer) => {
    expect(withoutTimestamp(answer, '5')).toBe(answer)
  })
})
