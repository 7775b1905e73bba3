import { expect, test } from 'vitest'
import { Turns } from '../../../src/limits/turns.ts'
import { FakeClock, settle } from '../../support/fake-runtime.ts'

test('computations run one after another, in order, with a timer between two', async () => {
  const clock = new FakeClock()
  let timers = 0
  const { after } = clock
  const turns = new Turns(
    Object.assign(clock, {
      after(delayMs: number, callback: () => void) {
        timers++
        return after(delayMs, callback)
      },
    }),
  )
  const done: number[] = []
  for (const i of [1, 2, 3]) turns.next().then(() => done.push(i))
  await settle()
  expect([timers, done]).toEqual([1, []])
  await clock.advance(0)
  expect([timers, done]).toEqual([3, [1, 2, 3]])
  turns.next().then(() => done.push(4))
  await clock.advance(0)
  expect([timers, done]).toEqual([4, [1, 2, 3, 4]])
})
