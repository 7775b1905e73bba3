/** Buffers in folders of earlier versions and configurations. */

import { describe, expect, test } from 'vitest'
import {
  adoptFormerFolders,
  type BufferFolder,
  findUnclaimed,
} from '../../../src/delivery/former-folders.ts'
import { FakeDisk } from '../../support/fake-disk.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { seeds } from '../../support/seeds.ts'

const OLD = 'data/buffers/http%3A%2F%2F%3A9096'
const OTHER = 'data/buffers/http%3A%2F%2F%3A9097'
const NEW = 'data/buffers/http'

const bufferOf = (output: string): BufferFolder => ({
  folder: `${NEW}/${output}`,
  formerFolder: `${OLD}/${output}`,
})

/** A disk on which these folders have a lane. */
function diskWith(...folders: string[]): FakeDisk {
  const disk = new FakeDisk()
  for (const folder of folders) {
    disk.put(`${folder}/lane-1.json`, new TextEncoder().encode(folder))
    disk.put(`${folder}/lane-1/0000000000000001.segment`, new Uint8Array(1))
  }
  return disk
}

const laneFiles = (disk: FakeDisk) =>
  [...disk.files()]
    .filter(([path]) => path.endsWith('.json'))
    .map(([path, bytes]) => `${path} from ${new TextDecoder().decode(bytes)}`)

describe('a folder that is named after an address', () => {
  test('is moved to where it is named after the block', async () => {
    const disk = diskWith(`${OLD}/a`, `${OLD}/b`)
    await adoptFormerFolders(disk, [bufferOf('a'), bufferOf('b')])
    expect(laneFiles(disk)).toEqual([
      `${NEW}/a/lane-1.json from ${OLD}/a`,
      `${NEW}/b/lane-1.json from ${OLD}/b`,
    ])
    expect(disk.folders()).not.toContain(OLD)
    expect(laneFiles(disk.crash(() => 0.9))).toHaveLength(2)
  })

  test('is moved if the address was changed, unless several come into question', async () => {
    const one = diskWith(`${OTHER}/a`)
    await adoptFormerFolders(one, [bufferOf('a')])
    expect(laneFiles(one)).toEqual([`${NEW}/a/lane-1.json from ${OTHER}/a`])
    const two = diskWith(`${OTHER}/a`, 'data/buffers/http%3A%2F%2F%3A1/a')
    await adoptFormerFolders(two, [bufferOf('a')])
    expect(laneFiles(two).join()).not.toContain(`${NEW}/`)
    expect(await findUnclaimed(two, 'data/buffers', [bufferOf('a')])).toHaveLength(2)
    const exact = diskWith(`${OTHER}/a`, `${OLD}/a`)
    await adoptFormerFolders(exact, [bufferOf('a')])
    expect(laneFiles(exact)).toContain(`${NEW}/a/lane-1.json from ${OLD}/a`)
    expect(await findUnclaimed(exact, 'data/buffers', [bufferOf('a')])).toEqual([`${OTHER}/a`])
  })

  test('is left alone if another output has it, or if the new one is in use', async () => {
    const claimed = diskWith(`${OLD}/a`)
    const named = { folder: `${OLD}/a` }
    await adoptFormerFolders(claimed, [bufferOf('a'), named])
    expect(laneFiles(claimed)).toEqual([`${OLD}/a/lane-1.json from ${OLD}/a`])
    const used = diskWith(`${OLD}/a`, `${NEW}/a`)
    await adoptFormerFolders(used, [bufferOf('a')])
    expect(laneFiles(used)).toHaveLength(2)
    expect(await findUnclaimed(used, 'data/buffers', [bufferOf('a')])).toEqual([`${OLD}/a`])
  })

  test('is in one of the two places whenever the power is cut, and moved by the next start', async () => {
    for (let nth = 1; nth <= 20; nth++) {
      for (const seed of seeds(6)) {
        const random = seededRandom(seed)
        const disk = diskWith(`${OLD}/a`, `${OLD}/b`)
        await disk.makeFolder(`${NEW}/a`)
        const stopped = disk.stopAt(nth, random)
        await Promise.race([stopped, adoptFormerFolders(disk, [bufferOf('a'), bufferOf('b')])])
        const next = seed % 2 ? disk.kill() : disk.crash(random)
        expect(laneFiles(next)).toHaveLength(2)
        await adoptFormerFolders(next, [bufferOf('a'), bufferOf('b')])
        expect(laneFiles(next), `operation ${nth}, seed ${seed}`).toEqual([
          `${NEW}/a/lane-1.json from ${OLD}/a`,
          `${NEW}/b/lane-1.json from ${OLD}/b`,
        ])
      }
    }
  })
})
