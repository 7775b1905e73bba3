import { expect, test } from 'vitest'
import { coarseTimers } from '../../../src/limits/coarse-timers.ts'
import { FakeClock } from '../../support/fake-runtime.ts'

function start() {
  const clock = new FakeClock()
  const after = coarseTimers(clock)
  const called: [string, number][] = []
  const set = (name: string, delayMs: number) =>
    after(delayMs, () => called.push([name, clock.now()]))
  return { clock, called, set }
}

test('a timer calls back once, never early and at most half a second late', async () => {
  const { clock, called, set } = start()
  const delays = [0, 1, 249, 250, 251, 999, 1000, 30_000]
  for (const delay of delays) {
    set(`${delay}`, delay)
    await clock.advance(33)
  }
  await clock.advance(60_000)
  expect(called.map(([name]) => name).sort()).toEqual(delays.map(String).sort())
  for (const [name, at] of called) {
    const due = Number(name) + 33 * delays.indexOf(Number(name))
    expect(at).toBeGreaterThanOrEqual(due)
    expect(at).toBeLessThanOrEqual(due + 500)
  }
})

test('a cancelled timer does not call back, and does not stop the others', async () => {
  const { clock, called, set } = start()
  const cancel = set('cancelled', 1000)
  set('other', 1000)
  cancel()
  cancel()
  await clock.advance(5000)
  expect(called.map(([name]) => name)).toEqual(['other'])
})

test('a timer that is set when all others are done is as exact as the first', async () => {
  const { clock, called, set } = start()
  set('first', 10)
  await clock.advance(10_000)
  set('second', 10)
  await clock.advance(510)
  expect(called.map(([name]) => name)).toEqual(['first', 'second'])
})

test('timers can be set and cancelled while others wait', async () => {
  const { clock, called, set } = start()
  set('first', 10)
  const cancel = set('cancelled', 2000)
  await clock.advance(600)
  set('second', 10)
  cancel()
  await clock.advance(5000)
  expect(called.map(([name]) => name)).toEqual(['first', 'second'])
})

test('the clock has one timer however many are set, and none once they are done', async () => {
  const { clock, set } = start()
  let running = 0
  const { after } = clock
  Object.assign(clock, {
    after(delayMs: number, callback: () => void) {
      running++
      return after(delayMs, () => {
        running--
        callback()
      })
    },
  })
  for (let i = 0; i < 1000; i++) set(`${i}`, i)
  expect(running).toBe(1)
  await clock.advance(5000)
  expect(running).toBe(0)
})
