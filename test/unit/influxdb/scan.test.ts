import { describe, expect, test } from 'vitest'
import { scan } from '../../../src/influxdb/scan.ts'

const encode = (text: string) => new TextEncoder().encode(text)

describe('scan', () => {
  test.each([
    ['', 0],
    ['\n# x\n', 0],
    ['m v=1', 1],
    ['m v="a\nb"\nbad\nm v=2', 3],
  ])('counts the lines of %j that are neither blank nor comments', (text, count) => {
    expect(scan(encode(text)).count).toBe(count)
  })

  test.each([
    ['', true],
    ['m v=1', true],
    ['m v=1\n', true],
    ['m v="a"', true],
    ['m v="a', false],
    ['m v="a\n', false],
    ['m v=1\\', false],
    ['m v=1\\\n', false],
    ['m v="\\\\"', true],
    ['# x a="\n', false],
    ['# x\\', false],
    ['m v="a"\n# y', true],
  ])('knows whether a body can follow %j', (text, endsCleanly) => {
    expect(scan(encode(text)).endsCleanly).toBe(endsCleanly)
  })
})
