import { expect, test } from 'vitest'
import { RetryGate } from '../../../src/limits/retry-gate.ts'
import { FakeClock } from '../../support/fake-runtime.ts'

function createFixture() {
  const clock = new FakeClock()
  const gate = new RetryGate(clock)
  const retried: number[] = []
  const lanes = [0, 1, 2, 3].map((id) => ({
    pump() {
      if (!gate.admitsOrEnqueues(this)) return
      gate.take()
      retried.push(id)
    },
  }))
  const pumpAll = () => {
    for (const lane of lanes) lane.pump()
  }
  return { clock, gate, lanes, retried, pumpAll }
}

test('lanes retry at once while their backend answers', () => {
  const { retried, pumpAll } = createFixture()
  pumpAll()
  expect(retried).toEqual([0, 1, 2, 3])
})

test('lanes retry one after another while their backend does not answer', async () => {
  const { clock, gate, lanes, retried, pumpAll } = createFixture()
  gate.close()
  pumpAll()
  expect(retried).toEqual([0])
  gate.dequeue(lanes[2] as { pump(): void })
  await clock.advance(499)
  expect(retried).toEqual([0])
  await clock.advance(1)
  expect(retried).toEqual([0, 1])
  await clock.advance(500)
  expect(retried).toEqual([0, 1, 3])
  await clock.advance(10_000)
  expect(retried).toEqual([0, 1, 3])
})

test('all lanes that wait retry once their backend answers', () => {
  const { gate, retried, pumpAll } = createFixture()
  gate.close()
  pumpAll()
  gate.open()
  expect(retried).toEqual([0, 1, 2, 3])
})
