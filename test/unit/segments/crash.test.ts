/** What the log promises holds after crashes at any operation and through faults of the disk. */

import { describe, expect, test } from 'vitest'
import { FakeDisk, type OperationKind, type Random } from '../../support/fake-disk.ts'
import { LogModel } from '../../support/log-model.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { seeds } from '../../support/seeds.ts'

const TIMEOUT_MS = 60_000

const crashes = {
  kill: (disk: FakeDisk) => disk.kill(),
  'power cut': (disk: FakeDisk, random: Random) => disk.crash(random),
}

const FAULTY: readonly OperationKind[] = [
  ...(['create', 'remove', 'rename', 'syncFolder'] as const),
  ...(['write', 'truncate', 'sync'] as const),
]

function pick<T>(from: readonly T[], random: Random): T {
  return from[Math.floor(random() * from.length)] as T
}

function addFaults(disk: FakeDisk, random: Random): void {
  for (let count = Math.floor(random() * 6); count > 0; count--) {
    disk.fail({
      code: pick(['EIO', 'ENOSPC'], random),
      kinds: [pick(FAULTY, random)],
      nth: 1 + Math.floor(random() * 20),
      times: 1 + Math.floor(random() * 4),
    })
  }
}

describe.each(Object.keys(crashes) as (keyof typeof crashes)[])('after a %s', (crash) => {
  /** The same run each time, with a crash at the nth operation. Returns whether it has that many. */
  async function crashAt(nth: number, seed: number): Promise<boolean> {
    const random = seededRandom(seed)
    const model = new LogModel(seededRandom(7), 150)
    const disk = new FakeDisk()
    const stopped = disk.stopAt(nth, random).then(() => true)
    const ended = model.use(disk, 60).then(() => false)
    const came = await Promise.race([stopped, ended])
    await model.check(crashes[crash](disk, random), crash)
    return came
  }

  test('the log keeps its promises wherever the crash comes', { timeout: TIMEOUT_MS }, async () => {
    let nth = 1
    for (; await crashAt(nth, nth); nth++) {
      for (const seed of seeds(4)) await crashAt(nth, seed * 1000 + nth)
    }
    expect(nth).toBeGreaterThan(150)
  })
})

describe.each([
  ['on an intact disk', () => {}],
  ['on a disk that fails now and then', addFaults],
])('over several crashes %s', (_, prepare) => {
  test('the log keeps its promises', { timeout: TIMEOUT_MS }, async () => {
    for (const seed of seeds(300)) {
      const random = seededRandom(seed)
      const model = new LogModel(random, 100 + Math.floor(random() * 400))
      let disk = new FakeDisk()
      for (let process = 0; process < 4; process++) {
        prepare(disk, random)
        // A crash may come early, since opening the log takes several operations.
        const stopped = disk.stopAt(1 + Math.floor(random() ** 2 * 150), random)
        await Promise.race([stopped, model.use(disk, 40)])
        const crash = pick(['kill', 'power cut'] as const, random)
        disk = crashes[crash](disk, random)
        await model.check(disk, crash)
      }
    }
  })
})
