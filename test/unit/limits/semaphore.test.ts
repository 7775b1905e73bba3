import { expect, test } from 'vitest'
import { Semaphore } from '../../../src/limits/semaphore.ts'

test('waiters are called in order of arrival, once each, and not if they were forgotten', () => {
  const semaphore = new Semaphore(1)
  const called: number[] = []
  const waiter = (id: number) => ({
    pump() {
      if (!semaphore.admitsOrEnqueues(this)) return
      semaphore.take()
      called.push(id)
    },
  })
  const waiters = [0, 1, 2, 3, 4].map(waiter)
  for (const one of [...waiters, ...waiters]) one.pump()
  expect(called).toEqual([0])
  semaphore.dequeue(waiters[2] as { pump(): void })
  semaphore.give()
  expect(called).toEqual([0, 1])
  waiters[0]?.pump()
  for (let i = 0; i < 5; i++) semaphore.give()
  // The first waits twice: it came again behind the others.
  expect(called).toEqual([0, 1, 3, 4, 0])
})
