import { expect, test } from 'vitest'
import { UnappliedWrites } from '../../../src/delivery/unapplied.ts'

test('without writes, a mark is passed at once', () => {
  const writes = new UnappliedWrites()
  expect(writes.hasPassed(writes.mark())).toBe(true)
  expect([writes.bytes, writes.since]).toEqual([0, Number.POSITIVE_INFINITY])
})

test('a mark is passed once its writes are gone, whatever has come since', () => {
  const writes = new UnappliedWrites()
  const first = writes.add(10, 1)
  const second = writes.add(20, 2)
  const mark = writes.mark()
  const later = writes.add(30, 3)
  expect(writes.hasPassed(mark)).toBe(false)
  writes.remove(first, 10)
  expect(writes.hasPassed(mark)).toBe(false)
  writes.remove(second, 20)
  expect(writes.hasPassed(mark)).toBe(true)
  expect([writes.bytes, writes.since]).toEqual([30, 3])
  writes.remove(later, 30)
  expect(writes.hasPassed(writes.mark())).toBe(true)
})

test('a later mark includes the writes of an earlier one', () => {
  const writes = new UnappliedWrites()
  const old = writes.add(1, 1)
  const first = writes.mark()
  const young = writes.add(1, 2)
  const second = writes.mark()
  writes.remove(young, 1)
  expect([first, second].map((mark) => writes.hasPassed(mark))).toEqual([false, false])
  expect(writes.mark()).toBe(first)
  writes.remove(old, 1)
  expect([first, second].map((mark) => writes.hasPassed(mark))).toEqual([true, true])
})
