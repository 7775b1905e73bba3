import { describe, expect, test } from 'vitest'
import { bindTimes } from '../../../src/influxdb/bind-times.ts'

const now = 1_700_000_000_123_456_789n
const NOW = "'2023-11-14T22:13:20.123456789Z'"
const latest = 1_700_000_001_000_000_000n
const LATEST = "'2023-11-14T22:13:21.000000000Z'"

describe('now() becomes a time', () => {
  test.each([
    ['DELETE FROM a WHERE time > now() - 1h', `DELETE FROM a WHERE time > ${NOW} - 1h`],
    ['DELETE WHERE NOW( )>=time', `DELETE WHERE ${NOW}>=time`],
    ['DELETE WHERE time < "now"()', `DELETE WHERE time < ${NOW}`],
    ['DELETE WHERE time < "now()"', `DELETE WHERE time < ${NOW}`],
    [
      'SELECT a INTO b FROM (SELECT a FROM c WHERE time < now()) WHERE time > 1m + now() -- now()',
      `SELECT a INTO b FROM (SELECT a FROM c WHERE time < ${NOW}) WHERE time > 1m + ${NOW} -- now()`,
    ],
    [
      'SELECT mean(a) INTO b FROM c WHERE time < 5 GROUP BY time(1m, now())',
      'SELECT mean(a) INTO b FROM c WHERE time < 5 GROUP BY time(1m, 20123456789ns)',
    ],
    [
      'SELECT mean(a) INTO b FROM c WHERE time < 5 GROUP BY d, time( 1w , now() ) fill(0)',
      'SELECT mean(a) INTO b FROM c WHERE time < 5 GROUP BY d, time( 1w , 166400123456789ns ) fill(0)',
    ],
    ['SHOW USERS; DELETE WHERE time = now();', `SHOW USERS; DELETE WHERE time = ${NOW};`],
  ])('%s', (text, bound) => {
    expect(bindTimes(text, { now })).toBe(bound)
  })

  test.each([
    "DELETE WHERE a = 'now()' AND b = now AND c.now = 1",
    'DELETE /* now() */ FROM "now()"',
    'SELECT a FROM b WHERE time > now()',
    'SELECT a FROM (SELECT b INTO c FROM d WHERE time > now())',
    'EXPLAIN SELECT a INTO b FROM c WHERE time > now()',
    'CREATE CONTINUOUS QUERY q ON d BEGIN SELECT a INTO b FROM c WHERE time > now() END',
    "DELETE WHERE time > now() AND a = 'b",
  ])('but not in %s', (text) => {
    expect(bindTimes(text, { now })).toBe(text)
  })
})

describe('the open end of GROUP BY time is now', () => {
  test.each([
    [
      'SELECT mean(a) INTO b FROM c GROUP BY time(1m)',
      `SELECT mean(a) INTO b FROM c WHERE time <= ${NOW} GROUP BY time(1m)`,
    ],
    [
      'SELECT mean(a) INTO b FROM c WHERE time > 5 /* x */ GROUP BY d, TIME(1m) fill(0)',
      `SELECT mean(a) INTO b FROM c WHERE time > 5 AND time <= ${NOW} /* x */ GROUP BY d, TIME(1m) fill(0)`,
    ],
    [
      "SELECT mean(a) INTO b FROM c WHERE d = 1 OR e = 2 -- x\nGROUP BY time(1m) tz('UTC')",
      `SELECT mean(a) INTO b FROM c WHERE (d = 1 OR e = 2) AND time <= ${NOW} -- x\nGROUP BY time(1m) tz('UTC')`,
    ],
    [
      'SELECT a INTO b FROM (SELECT mean(a) FROM c GROUP BY time(1m)), d',
      `SELECT a INTO b FROM (SELECT mean(a) FROM c WHERE time <= ${NOW} GROUP BY time(1m)), d`,
    ],
  ])('%s', (text, bound) => {
    expect(bindTimes(text, { now })).toBe(bound)
    expect(bindTimes(bound, { now })).toBe(bound)
  })
})

describe('an open end becomes the latest time', () => {
  test.each([
    ['DELETE FROM a', `DELETE FROM a WHERE time <= ${LATEST}`],
    ['DELETE FROM a -- x', `DELETE FROM a WHERE time <= ${LATEST} -- x`],
    ['DELETE FROM a, /b/;', `DELETE FROM a, /b/ WHERE time <= ${LATEST};`],
    ['DELETE WHERE a = 1', `DELETE WHERE a = 1 AND time <= ${LATEST}`],
    ['DELETE WHERE a = 1 OR b = 2', `DELETE WHERE (a = 1 OR b = 2) AND time <= ${LATEST}`],
    ['DELETE WHERE (a = 1 OR b = 2)', `DELETE WHERE (a = 1 OR b = 2) AND time <= ${LATEST}`],
    ['DELETE WHERE "time" > 5', `DELETE WHERE "time" > 5 AND time <= ${LATEST}`],
    ['DELETE WHERE 5 < time', `DELETE WHERE 5 < time AND time <= ${LATEST}`],
    ["DELETE WHERE a = 'time < 5'", `DELETE WHERE a = 'time < 5' AND time <= ${LATEST}`],
    ['DELETE WHERE a.time < 5', `DELETE WHERE a.time < 5 AND time <= ${LATEST}`],
    [
      'SELECT a INTO b FROM (SELECT a FROM c WHERE time < 5) LIMIT 1',
      `SELECT a INTO b FROM (SELECT a FROM c WHERE time < 5) WHERE time <= ${LATEST} LIMIT 1`,
    ],
    [
      "SELECT a INTO b FROM c tz('UTC')",
      `SELECT a INTO b FROM c WHERE time <= ${LATEST} tz('UTC')`,
    ],
    ['SELECT a INTO b FROM d.e./f/', `SELECT a INTO b FROM d.e./f/ WHERE time <= ${LATEST}`],
    [
      'SELECT mean(a) INTO b FROM c GROUP BY time(1m)',
      `SELECT mean(a) INTO b FROM c WHERE time <= ${NOW} GROUP BY time(1m)`,
    ],
  ])('%s', (text, bound) => {
    expect(bindTimes(text, { now, latest })).toBe(bound)
  })

  test.each([
    'DELETE WHERE time < 5',
    'DELETE WHERE TIME <= 5',
    "DELETE WHERE a = 1 OR (b = 2 AND time = '2020-01-01')",
    'DELETE WHERE 5 > "time"',
    'DELETE WHERE 5 >= time AND a = 1',
    'SELECT a INTO b FROM c WHERE time > 1 AND time < 5 GROUP BY time(1m)',
    'DROP SERIES FROM a',
  ])('but not in %s', (text) => {
    expect(bindTimes(text, { now, latest })).toBe(text)
  })
})

test('parameters that stand for names count as these names', () => {
  const parameters = { t: { identifier: 'time' }, n: { identifier: 'now' }, v: 5 }
  const bind = (text: string) => bindTimes(text, { now, latest }, parameters)
  expect(bind('DELETE WHERE $t < $v')).toBe('DELETE WHERE $t < $v')
  expect(bind('DELETE WHERE $v < $n()')).toBe(`DELETE WHERE $v < ${NOW} AND time <= ${LATEST}`)
})
