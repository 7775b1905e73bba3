import { describe, expect, test } from 'vitest'
import { Backpressure } from '../../../src/relay/backpressure.ts'
import { createFakeRuntime } from '../../support/fake-runtime.ts'

function createFixture() {
  const { clock } = createFakeRuntime({})
  const backends = [{ lag: 0.3 }, { lag: 0.35 }, { lag: 0.32 }]
  const backpressure = new Backpressure(clock, backends)
  const resumed: string[] = []
  const pause = (name: string) => {
    const pausing = backpressure.pause()
    void pausing?.then(() => resumed.push(name))
    return pausing !== undefined
  }
  return { clock, slow: backends[1] as { lag: number }, pause, resumed }
}

describe('backpressure', () => {
  test('a write is not delayed while all backends lag about the same', () => {
    expect(createFixture().pause('a')).toBe(false)
  })

  test('a write is delayed until a lagging backend has caught up', async () => {
    const { clock, slow, pause, resumed } = createFixture()
    slow.lag = 0.4
    expect(pause('a')).toBe(true)
    await clock.advance(50)
    expect(pause('b')).toBe(true)
    await clock.advance(50)
    expect(resumed).toEqual([])
    slow.lag = 0.36
    await clock.advance(2)
    expect(resumed).toEqual(['a', 'b'])
    expect(pause('c')).toBe(false)
  })

  test('a write is delayed for at most 250 ms', async () => {
    const { clock, slow, pause, resumed } = createFixture()
    slow.lag = 0.4
    pause('a')
    await clock.advance(100)
    pause('b')
    await clock.advance(149)
    expect(resumed).toEqual([])
    await clock.advance(2)
    expect(resumed).toEqual(['a'])
    await clock.advance(100)
    expect(resumed).toEqual(['a', 'b'])
    pause('c')
    await clock.advance(251)
    expect(resumed).toEqual(['a', 'b', 'c'])
  })
})
