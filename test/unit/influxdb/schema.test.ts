import { expect, test } from 'vitest'
import { quoted, retentionPoliciesIn, statementsToCreate } from '../../../src/influxdb/schema.ts'

const answerOf = (values: readonly (readonly unknown[])[]) => {
  const columns = ['name', 'duration', 'shardGroupDuration', 'replicaN', 'default']
  return new TextEncoder().encode(JSON.stringify({ results: [{ series: [{ columns, values }] }] }))
}

test('a database is created with the policies that another server has', () => {
  const policies = retentionPoliciesIn(
    answerOf([
      ['autogen', '0s', '168h0m0s', 1, false],
      ['a "b"', '1h30m5s', '1h0m0s', 2, true],
    ]),
  )
  expect(statementsToCreate('d\\b', policies ?? [])).toBe(
    'CREATE DATABASE "d\\\\b" WITH DURATION 5405s REPLICATION 2 SHARD DURATION 3600s NAME "a \\"b\\""; ' +
      'CREATE RETENTION POLICY "autogen" ON "d\\\\b" DURATION INF REPLICATION 1 SHARD DURATION 604800s',
  )
})

test('a database without policies is created as it is', () => {
  expect(statementsToCreate('d', [])).toBe('CREATE DATABASE "d"')
})

test.each(['', '{}', '{"results":[{"error":"database not found: d"}]}'])(
  '%s has no policies',
  (text) => {
    expect(retentionPoliciesIn(new TextEncoder().encode(text))).toBeUndefined()
  },
)

test('a name is quoted', () => {
  expect(quoted('a"\\\n')).toBe('"a\\"\\\\\\n"')
})
