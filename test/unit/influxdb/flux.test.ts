// biome-ignore-all lint/suspicious/noTemplateCurlyInString: Flux has them, too

import { describe, expect, test } from 'vitest'
import { readFlux } from '../../../src/influxdb/flux.ts'

describe('the databases of a Flux script', () => {
  test.each([
    ['from(bucket: "d/rp") |> range(start: -1h)', ['d']],
    ['from(bucket:"d")', ['d']],
    ['join(tables: {a: from(bucket: "a/x/y"), b: from(bucket: "b/autogen")})', ['a', 'b']],
    ['// from(bucket: "no")\nfrom(bucket: "yes")', ['yes']],
    ['x = "from(bucket: \\"no\\")"\nfrom(bucket: "yes")', ['yes']],
    ['from(bucket: "d") |> filter(fn: (r) => r.h =~ /"\n(bucket: "/)', ['d']],
    ['x = 4 / 2 // "\nfrom(bucket: "d")', ['d']],
    ['from(bucket: "é b%/x")', ['é b%']],
  ])('%j', (script, databases) => {
    expect(readFlux(script)).toEqual({ databases: new Set(databases), writer: undefined })
  })

  test.each([
    ['', 'no bucket'],
    ['from(bucket: name)', 'a variable'],
    ['from(bucket: "a" + "b")', 'an expression'],
    ['from(bucket: "${name}")', 'code in a string'],
    ['from(bucket: "\\x64")', 'an escape'],
    ['from(bucket: "/rp")', 'an empty database'],
    ['from(bucketID: "1")', 'an id'],
    ['from(bucket: "d") buckets()', 'a list of all'],
    ['import "influxdata/influxdb/v1"\nv1.databases()', 'a list of all'],
  ])('%j may be any (%s)', (script) => {
    expect(readFlux(script).databases).toBe('all')
  })
})

describe('a Flux script', () => {
  test.each([
    ['from(bucket: "a") |> to(bucket: "b")'],
    ['from(bucket: "a") |> to (bucket: "b")'],
    ['from(bucket: "a") |> to // here\n (bucket: "b")'],
    ['from(bucket: "a") |> influxdb.wideTo(bucket: "b")'],
    ['w = to from(bucket: "a") |> w(bucket: "b")'],
    ['x = {f: to}'],
    ['x = "${from(bucket: "a") |> to(bucket: "b")}"'],
    ['x = "${ {a: "${to(bucket: "b")}"} }"'],
    ['x = r =~ /"/ |> to(bucket: "b") // "'],
    ['x = (r) => r.a =~ /\\//\n|> to(bucket: "b")'],
    ['x = 1-to(bucket: "b")'],
    ['x = a / 2 |> to(bucket: "b") / 3'],
    ['x = [1] / 2 |> to(bucket: "b") / 3'],
    ['x = "a\\\\" |> to(bucket: "b") |> y("")'],
  ])('%j may write', (script) => {
    expect(readFlux(script).writer).toBeDefined()
  })

  test.each([
    ['x = "|> to(bucket: \\"b\\")"'],
    ['// |> to(bucket: "b")\nfrom(bucket: "a")'],
    ['range(from: -1h, to: now())'],
    ['from(bucket: "a") |> toString() |> today()'],
    ['from(bucket: "a") |> filter(fn: (r) => r.a =~ /to(x)/)'],
    ['x = "${a} to (b)"'],
  ])('%j only reads', (script) => {
    expect(readFlux(script).writer).toBeUndefined()
  })

  test.each([
    ['strings in strings', '"${'.repeat(100_000)],
    ['a regular expression without an end', '(/\\/'.repeat(100_000)],
    ['a long string', `"${'x'.repeat(1_000_000)}"`],
    ['slashes', '(/ '.repeat(300_000)],
    ['braces', '{'.repeat(1_000_000)],
  ])('of %s is read', (_, script) => {
    expect(readFlux(script).writer).toBeUndefined()
  })
})
