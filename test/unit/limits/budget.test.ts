import { expect, test } from 'vitest'
import { Budget } from '../../../src/limits/budget.ts'

test('the overhead and the extra bytes of takers count, but not as their bytes', () => {
  const budget = new Budget(1000, 100)
  expect(budget.take(200, 300)).toBe(true)
  expect(budget.bytes).toBe(200)
  expect(budget.share).toBe(0.6)
  expect(budget.room).toBe(400)
  expect(budget.take(200, 101)).toBe(false)
  expect(budget.take(200, 100)).toBe(true)
  budget.give(200, 100)
  budget.give(200, 300)
  expect(budget.room).toBe(1000)
})
