import { describe, expect, test } from 'vitest'
import { Backpressure } from '../../../src/relay/backpressure.ts'
import { createFakeRuntime } from '../../support/fake-runtime.ts'

function createFixture() {
  const { clock } = createFakeRuntime({})
  const backends = [{ lag: 0.3 }, { lag: 0.35 }, { lag: 0.32 }]
  const pacer = new Backpressure(clock, backends)
  const resumed: string[] = []
  const pause = (name: string) => {
    const pausing = pacer.pause()
    void pausing?.then(() => resumed.push(name))
    return pausing !== undefined
  }
  return { clock, slow: backends[1] as { lag: number }, pause, resumed }
}

describe('a write', () => {
  test('need not wait while all backends are about as far', () => {
    expect(createFixture().pause('a')).toBe(false)
  })

  test('waits for one that is far behind until it has caught up', async () => {
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

  test('waits for 250 ms at the most', async () => {
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
