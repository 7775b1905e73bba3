import { describe, expect, test } from 'vitest'
import { createClock } from '../../../src/platform/clock.ts'

function createFixture() {
  const time = { wall: 1_700_000_000_000, monotonic: 5 }
  const clock = createClock(
    () => Math.floor(time.wall),
    () => time.monotonic,
  )
  return {
    clock,
    pass(ms: number) {
      time.wall += ms
      time.monotonic += ms
    },
    /** The system's clock is set. */
    step(ms: number) {
      time.wall += ms
    },
  }
}

describe('wallNanoseconds', () => {
  test('has a resolution finer than a millisecond', () => {
    const { clock, pass } = createFixture()
    const first = clock.wallNanoseconds()
    pass(0.25)
    expect(clock.wallNanoseconds() - first).toBe(250_000n)
  })

  test('is never the same twice', () => {
    const { clock } = createFixture()
    expect(clock.wallNanoseconds()).toBe(1_700_000_000_000_000_000n)
    expect(clock.wallNanoseconds()).toBe(1_700_000_000_000_000_001n)
    expect(clock.wallNanoseconds()).toBe(1_700_000_000_000_000_002n)
  })

  test('follows the system when its clock is set', () => {
    const { clock, pass, step } = createFixture()
    clock.wallNanoseconds()
    step(60_000)
    pass(1)
    expect(clock.wallNanoseconds()).toBe(1_700_000_060_001_000_000n)
    step(-3_600_000)
    expect(clock.wallNanoseconds()).toBe(1_699_996_460_001_000_000n)
  })

  test('waits out a small step back', () => {
    const { clock, step } = createFixture()
    const before = clock.wallNanoseconds()
    step(-500)
    expect(clock.wallNanoseconds()).toBe(before + 1n)
  })
})

test('after takes a delay that has passed for none, without a warning', async () => {
  const { clock } = createFixture()
  const warnings: string[] = []
  const onWarning = (warning: Error) => warnings.push(warning.message)
  process.on('warning', onWarning)
  await new Promise<void>((resolve) => void clock.after(-0.003, resolve))
  await new Promise((resolve) => setTimeout(resolve, 1))
  process.off('warning', onWarning)
  expect(warnings).toEqual([])
})

test('after calls back unless it is cancelled', async () => {
  const { clock } = createFixture()
  const called: string[] = []
  const cancel = clock.after(1, () => called.push('cancelled'))
  cancel()
  await new Promise<void>((resolve) => clock.after(2, resolve))
  expect(called).toEqual([])
})
