import { describe, expect, test } from 'vitest'
import { errorAnswer } from '../../../src/influxdb/answer.ts'
import {
  lackedPoints,
  leftNothing,
  NOTHING_MISSING,
  shortfallOf,
} from '../../../src/influxdb/shortfall.ts'
import { opaque } from '../../../src/influxdb/write.ts'

const partial = (reason: string, dropped: number) =>
  errorAnswer(400, `partial write: ${reason} dropped=${dropped}`)
const conflict = (field: string, dropped = 1) =>
  partial(
    `field type conflict: input field "${field}" on measurement "m" is type integer, already exists as type float`,
    dropped,
  )
const bad = (line: string) => `unable to parse '${line}': missing fields`

/** Influxd's answers to a write of 5 points, and how many points each leaves out. */
const answers = [
  ['a conflict with a known type', conflict('v', 2), 2],
  ['a conflict inside the batch, which is not counted', errorAnswer(400, 'field type conflict'), 5],
  ['points beyond the retention policy', partial('points beyond retention policy', 3), 3],
  [
    'points beyond the retention policy of 1.13',
    errorAnswer(
      400,
      'partial write: dropped 4 points outside retention policy of duration 1h0m0s - oldest point m at 2023-11-14T22:13:20Z dropped because it violates a Retention Policy Lower Bound at 2026-11-25T11:00:00.123456789Z, newest point m at 2023-11-14T22:13:20Z dropped because it violates a Retention Policy Lower Bound at 2026-11-25T11:00:00.123456789Z dropped=4 for database: d for retention policy: rp1h',
    ),
    4,
  ],
  ['a line that cannot be parsed', partial(bad('bad'), 0), 1],
  ['two lines that cannot be parsed', partial(`${bad('bad')}\n${bad('worse')}`, 0), 2],
  ['a count larger than the write', conflict('v', 99), 5],
  ['a reason that fills the header', partial(bad('x'.repeat(2000)), 0), 1],
  ['an unparsable write', errorAnswer(400, bad('bad')), 5],
  ['a write that is too large', errorAnswer(413, 'Request Entity Too Large'), 5],
  ['an answer of another program', errorAnswer(422, 'unprocessable entity'), 5],
] as const

describe('the points that a server leaves out of a write', () => {
  test.each(answers)('%s', (_, answer, points) => {
    expect(shortfallOf(answer, 5).points).toBe(points)
  })
})

describe('a rejected write', () => {
  test.each([
    ['of one point that was dropped left nothing', conflict('v'), 1, true],
    ['of two points left something when one was dropped', conflict('v'), 2, false],
    ['that could not be parsed left nothing', errorAnswer(400, bad('bad')), 2, true],
    ['that is too large left nothing', errorAnswer(413, 'too large'), 2, true],
    ['may have left something', errorAnswer(400, 'field type conflict'), 1, false],
  ])('%s', (_, answer, points, left) => {
    const lines = { bytes: new Uint8Array(), count: points, endsCleanly: true }
    expect(leftNothing(answer, { kind: 'points', points: lines })).toBe(left)
  })

  test.each([
    ['that is no Snappy left nothing', errorAnswer(400, 'snappy: corrupt input'), true],
    ['that is no protobuf left nothing', errorAnswer(400, 'proto: illegal wireType 7'), true],
    ['that is cut short left nothing', errorAnswer(400, 'unexpected EOF'), true],
    ['that is too large left nothing', errorAnswer(413, 'too large'), true],
    ['of which a point was dropped may have left others', conflict('value'), false],
  ])('of Prometheus %s', (_, answer, left) => {
    const points = opaque(new Uint8Array())
    expect(leftNothing(answer, { kind: 'remote-write', points })).toBe(left)
  })
})

describe('a server lacks points that another one has:', () => {
  const of = (answer: Parameters<typeof shortfallOf>[0]) => shortfallOf(answer, 5)
  const all = of(errorAnswer(400, 'field type conflict'))
  test.each([
    [
      'all that it left out, if the other stored the write',
      of(conflict('v', 2)),
      NOTHING_MISSING,
      2,
    ],
    ['none, if both left out the same points', of(conflict('v', 2)), of(conflict('v', 2)), 0],
    ['those that it left out in addition', of(conflict('v', 3)), of(conflict('v', 1)), 2],
    ['all that it left out for another reason', of(conflict('v')), of(conflict('w')), 1],
    ['none, if the other has nothing', of(conflict('v')), all, 0],
    ['no more than the other has', all, of(conflict('v', 4)), 1],
    [
      'none, if only the times in the answers differ',
      of(partial('points outside, Lower Bound at 2026-11-25T11:00:00.1Z', 2)),
      of(partial('points outside, Lower Bound at 2026-11-25T11:00:01Z', 2)),
      0,
    ],
  ])('%s', (_, one, other, points) => {
    expect(lackedPoints(one, other, 5)).toBe(points)
  })
})
