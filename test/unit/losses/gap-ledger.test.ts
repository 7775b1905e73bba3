import { describe, expect, test } from 'vitest'
import type { Gap, Repair } from '../../../src/losses/gap.ts'
import {
  GapLedger,
  type GapLedgerOptions,
  type LedgerDamage,
} from '../../../src/losses/gap-ledger.ts'
import { formatLedger } from '../../../src/losses/gap-ledger-format.ts'
import { FakeDisk, type OperationKind } from '../../support/fake-disk.ts'
import { settle } from '../../support/fake-runtime.ts'
import { seededRandom } from '../../support/seeded-random.ts'

const PATH = 'data/gaps'

const HOUR = 3_600_000_000_000n

/** A gap of one point, in an hour of its own. */
const gap = (hour: number, given: Partial<Gap> = {}): Gap => ({
  backend: 'influx2',
  database: 'telegraf',
  retentionPolicy: '',
  first: BigInt(hour) * HOUR,
  last: BigInt(hour) * HOUR + 1n,
  points: 1,
  writes: 0,
  reason: 'buffer full',
  at: 1_700_000_000_000,
  ...given,
})

const encode = (text: string) => new TextEncoder().encode(text)
const textOf = (disk: FakeDisk, path = PATH) => new TextDecoder().decode(disk.files().get(path))

/** A disk with a ledger, if `text` is given, and another file beside it. */
function diskWith(text?: string): FakeDisk {
  const disk = FakeDisk.of([['data/other', encode('x')]])
  if (text !== undefined) disk.put(PATH, encode(text))
  return disk
}

async function open(disk: FakeDisk, options: GapLedgerOptions = {}) {
  const damages: LedgerDamage[] = []
  const ledger = await GapLedger.open(disk, PATH, {
    onDamage: (damage) => damages.push(damage),
    ...options,
  })
  return { ledger, damages }
}

const hoursOf = (ledger: GapLedger) =>
  ledger.entries().map(({ first }) => Number((first ?? 0n) / HOUR))

describe('a ledger', () => {
  test('starts empty and without a file', async () => {
    const disk = diskWith()
    const { ledger, damages } = await open(disk)
    expect(ledger.entries()).toEqual([])
    expect(damages).toEqual([])
    expect([...disk.files().keys()]).toEqual(['data/other'])
  })

  test('is one file that holds the entries', async () => {
    const disk = diskWith()
    const { ledger } = await open(disk)
    await ledger.add(gap(1))
    await ledger.add(gap(2))
    expect(ledger.entries()).toMatchObject([{ points: 1 }, { points: 1 }])
    expect(textOf(disk)).toBe(formatLedger(ledger.entries()))
    expect([...disk.files().keys()]).toEqual([PATH, 'data/other'])
  })

  test('makes its folder', async () => {
    const disk = new FakeDisk()
    await (await open(disk)).ledger.add(gap(1))
    expect(hoursOf((await open(disk.crash(seededRandom(1)))).ledger)).toEqual([1])
  })

  test('is read by the next process, which adds to it', async () => {
    const disk = diskWith()
    const first = (await open(disk)).ledger
    await first.add(gap(1, { points: 5 }))
    const restarted = disk.kill()
    const second = (await open(restarted)).ledger
    expect(second.entries()).toEqual(first.entries())
    await second.add(gap(1, { points: 6 }))
    const third = (await open(restarted.kill())).ledger
    expect(third.entries()).toMatchObject([{ points: 11, times: 2 }])
  })

  test('has at most as many ranges as the options allow', async () => {
    const { ledger } = await open(diskWith(), { maxRanges: 2 })
    await Promise.all([gap(1), gap(4), gap(5)].map((one) => ledger.add(one)))
    expect(hoursOf(ledger)).toEqual([1, 4])
  })

  test('has an entry before it is on disk', async () => {
    const { ledger } = await open(diskWith())
    const added = ledger.add(gap(7))
    expect(hoursOf(ledger)).toEqual([7])
    await added
  })
})

describe('group commit', () => {
  test('ten thousand gaps added at once replace the file at most twice', async () => {
    const disk = diskWith()
    const { ledger } = await open(disk)
    await Promise.all(Array.from({ length: 10_000 }, (_, i) => ledger.add(gap(i % 50))))
    expect(disk.counts.get('rename')).toBeLessThanOrEqual(2)
    expect((await open(disk.kill())).ledger.entries()).toEqual(ledger.entries())
  })

  test('gaps added while the file is being replaced share the next replacement', async () => {
    const disk = diskWith()
    const { ledger } = await open(disk)
    const added: Promise<void>[] = []
    disk.before = ({ kind }) => {
      if (kind === 'rename' && added.length < 900) {
        for (let i = 0; i < 300; i++) added.push(ledger.add(gap(i)))
      }
    }
    await ledger.add(gap(0))
    for (let i = 0; i < added.length; i++) await added[i]
    expect(added).toHaveLength(900)
    expect(disk.counts.get('rename')).toBe(4)
  })

  test('an add does not resolve before its own entry is on disk', async () => {
    const disk = diskWith()
    const { ledger } = await open(disk)
    let late: Promise<void> | undefined
    disk.before = ({ kind }) => {
      // The file being written does not have this one.
      if (kind === 'sync') late ??= ledger.add(gap(9))
    }
    await ledger.add(gap(1))
    expect(textOf(disk)).not.toContain('1970-01-01T09')
    await late
    expect(textOf(disk)).toContain('1970-01-01T09')
  })
})

describe('flush', () => {
  test('writes nothing if everything is on disk', async () => {
    const disk = diskWith()
    const { ledger } = await open(disk)
    await ledger.add(gap(1))
    const before = disk.operations
    await ledger.flush()
    expect(disk.operations).toBe(before)
  })

  test('waits for gaps added too late for the file being written', async () => {
    const disk = diskWith()
    const { ledger } = await open(disk)
    disk.before = ({ kind }) => {
      if (kind === 'rename' && ledger.entries().length < 2) void ledger.add(gap(9))
    }
    await ledger.add(gap(1))
    await ledger.flush()
    expect(textOf(disk)).toContain('1970-01-01T09')
  })

  test('waits for the file being written', async () => {
    const disk = diskWith()
    const { ledger } = await open(disk)
    void ledger.add(gap(1))
    await ledger.flush()
    expect(textOf(disk)).toContain('1970-01-01T01')
  })
})

/** A repair of one hour, or of several. */
const repair = (from: number, to = from): Repair => ({
  backend: 'influx2',
  database: 'telegraf',
  retentionPolicy: '',
  first: BigInt(from) * HOUR,
  last: BigInt(to) * HOUR + 1n,
  startedAt: 1_700_000_000_001,
})

describe('a repair', () => {
  test('removes what it has brought, and the next process does not find it', async () => {
    const disk = diskWith()
    const { ledger } = await open(disk)
    await Promise.all([gap(1), gap(2), gap(3)].map((one) => ledger.add(one)))
    await ledger.close(repair(1, 2))
    expect(hoursOf(ledger)).toEqual([3])
    for (let seed = 0; seed < 20; seed++) {
      const again = (await open(disk.crash(seededRandom(seed)))).ledger
      expect(again.entries()).toEqual(ledger.entries())
    }
  })

  test('writes nothing if there is no entry to close', async () => {
    const disk = diskWith()
    const { ledger } = await open(disk)
    await ledger.add(gap(1))
    const before = disk.operations
    await ledger.close(repair(2))
    expect(disk.operations).toBe(before)
  })

  test('that the disk refuses can be closed again, which resolves once it is on disk', async () => {
    const disk = diskWith()
    const { ledger } = await open(disk)
    await Promise.all([gap(1), gap(2)].map((one) => ledger.add(one)))
    disk.fail({ code: 'EIO', kinds: ['rename'] })
    await expect(ledger.close(repair(1))).rejects.toMatchObject({ code: 'EIO' })
    expect(hoursOf((await open(FakeDisk.of(disk.files()))).ledger)).toEqual([1, 2])
    await ledger.close(repair(1))
    expect(hoursOf((await open(disk.crash(seededRandom(1)))).ledger)).toEqual([2])
  })

  test('leaves the old or the new entries after a crash at any operation', async () => {
    for (let seed = 0; seed < 25; seed++) {
      for (let nth = 1; nth <= 12; nth++) {
        const random = seededRandom(seed * 1000 + nth)
        const disk = diskWith()
        const { ledger } = await open(disk)
        await Promise.all([gap(1), gap(2), gap(3)].map((one) => ledger.add(one)))
        let isClosed = false
        const closing = ledger.close(repair(2)).then(() => {
          isClosed = true
        })
        await Promise.race([disk.stopAt(nth, random), closing])
        const { ledger: again, damages } = await open(disk.crash(random))
        const expected = isClosed
          ? [[1, 3]]
          : [
              [1, 3],
              [1, 2, 3],
            ]
        expect(expected, `seed ${seed}, operation ${nth}`).toContainEqual(hoursOf(again))
        expect(damages).toEqual([])
      }
    }
  })
})

/** Adds gaps, some of them together. Those whose add has resolved are in `promised`. */
async function addGaps(disk: FakeDisk, promised: number[]): Promise<void> {
  const { ledger } = await open(disk)
  const add = async (hour: number) => {
    await ledger.add(gap(hour))
    promised.push(hour)
  }
  await add(1)
  await Promise.all([add(2), add(3)])
  await add(4)
}

describe('a crash at any operation', () => {
  const countOperations = async () => {
    const disk = diskWith()
    await addGaps(disk, [])
    return disk.operations
  }

  test.each([
    ['of the process', (disk: FakeDisk) => disk.kill()],
    ['of the machine', (disk: FakeDisk, random: () => number) => disk.crash(random)],
  ])('%s leaves every entry whose add has resolved', async (_, end) => {
    const operations = await countOperations()
    for (let seed = 0; seed < 25; seed++) {
      for (let nth = 1; nth <= operations + 1; nth++) {
        const random = seededRandom(seed * 1000 + nth)
        const disk = diskWith()
        const promised: number[] = []
        const stopped = disk.stopAt(nth, random)
        await Promise.race([stopped, addGaps(disk, promised)])
        if (nth > operations) expect(promised).toEqual([1, 2, 3, 4])
        const { ledger, damages } = await open(end(disk, random))
        expect(hoursOf(ledger), `seed ${seed}, operation ${nth}`).toEqual(
          expect.arrayContaining(promised),
        )
        expect(damages).toEqual([])
        await ledger.add(gap(90))
      }
    }
  })

  test('of a process and then of the machine leaves every entry whose add has resolved in between', async () => {
    const operations = await countOperations()
    for (let seed = 0; seed < 25; seed++) {
      for (let nth = 1; nth <= operations; nth++) {
        const random = seededRandom(seed * 1000 + nth)
        const disk = diskWith()
        const promised: number[] = []
        await Promise.race([disk.stopAt(nth, random), addGaps(disk, promised)])
        const second = disk.kill()
        await (await open(second)).ledger.add(gap(50))
        const { ledger } = await open(second.crash(random))
        expect(hoursOf(ledger)).toEqual(expect.arrayContaining([...promised, 50]))
      }
    }
  })
})

describe('a disk that fails', () => {
  const kinds: OperationKind[] = ['create', 'write', 'sync', 'close', 'rename', 'syncFolder']

  test.each(kinds)('in %s makes add reject, and the next add saves both entries', async (kind) => {
    const disk = diskWith()
    const { ledger } = await open(disk)
    await ledger.add(gap(1))
    disk.fail({ code: 'EIO', kinds: [kind] })
    await expect(ledger.add(gap(2))).rejects.toMatchObject({ code: 'EIO' })
    expect(hoursOf(ledger)).toEqual([1, 2])
    await ledger.add(gap(3))
    const again = (await open(disk.crash(seededRandom(1)))).ledger
    expect(hoursOf(again)).toEqual([1, 2, 3])
  })

  test('by being full leaves the file unchanged, and flush saves the entry later', async () => {
    const disk = diskWith()
    const { ledger } = await open(disk)
    await ledger.add(gap(1))
    const before = textOf(disk)
    disk.capacity = before.length + 50
    await expect(ledger.add(gap(2))).rejects.toMatchObject({ code: 'ENOSPC' })
    expect(textOf(disk)).toBe(before)
    disk.heal()
    await ledger.flush()
    expect(hoursOf((await open(disk.crash(seededRandom(1)))).ledger)).toEqual([1, 2])
  })

  test('while the ledger is read makes open reject', async () => {
    const disk = diskWith(formatLedger([]))
    disk.fail({ code: 'EIO', kinds: ['read'] })
    await expect(open(disk)).rejects.toMatchObject({ code: 'EIO' })
  })
})

describe('a damaged file', () => {
  const good = async () => {
    const disk = diskWith()
    await (await open(disk)).ledger.add(gap(1))
    return textOf(disk)
  }

  test('is copied and reported, and its intact entries stay', async () => {
    const text = `${await good()}{"backend":"infl`
    const disk = diskWith(text)
    const { ledger, damages } = await open(disk)
    expect(damages).toEqual([{ reason: 'the last line is incomplete', copy: `${PATH}.damaged-1` }])
    expect(textOf(disk, `${PATH}.damaged-1`)).toBe(text)
    expect(hoursOf(ledger)).toEqual([1])
    expect(textOf(disk)).toBe(formatLedger(ledger.entries()))
  })

  test('does not replace the copy of an earlier one', async () => {
    const disk = diskWith('garbage')
    disk.put(`${PATH}.damaged-1`, encode('earlier'))
    const { damages } = await open(disk)
    expect(damages[0]?.copy).toBe(`${PATH}.damaged-2`)
    expect(textOf(disk, `${PATH}.damaged-1`)).toBe('earlier')
    expect((await open(disk)).damages).toEqual([])
  })

  test('that is not UTF-8 is copied byte for byte', async () => {
    const disk = diskWith()
    const bytes = Uint8Array.of(0xff, 0x00, 0xfe)
    disk.put(PATH, bytes)
    await open(disk)
    expect(disk.files().get(`${PATH}.damaged-1`)).toEqual(bytes)
  })

  test('that cannot be copied does not make open reject, and is not overwritten', async () => {
    const disk = diskWith('garbage')
    disk.fail({ code: 'ENOSPC', kinds: ['create'], times: 3 })
    const { ledger, damages } = await open(disk)
    expect(damages).toEqual([
      { reason: 'line 1 is not the header of a gap ledger', copy: undefined },
    ])
    await expect(ledger.add(gap(1))).rejects.toMatchObject({ code: 'ENOSPC' })
    expect(textOf(disk)).toBe('garbage')
    disk.heal()
    await ledger.add(gap(2))
    expect(textOf(disk, `${PATH}.damaged-1`)).toBe('garbage')
    expect(hoursOf((await open(disk)).ledger)).toEqual([1, 2])
  })

  test('is kept, with its entries in the ledger, through a crash at any operation', async () => {
    const text = `${await good()}garbage`
    for (let seed = 0; seed < 20; seed++) {
      for (let nth = 1; nth <= 17; nth++) {
        const random = seededRandom(seed * 1000 + nth)
        const disk = diskWith(text)
        await Promise.race([disk.stopAt(nth, random), open(disk).then(settle)])
        const after = disk.crash(random)
        const { ledger } = await open(after)
        expect(hoursOf(ledger)).toEqual([1])
        const copies = [...after.files()].filter(([path]) => path.includes('.damaged-'))
        expect(copies.map(([path]) => textOf(after, path))).toContain(text)
      }
    }
  })
})

test('a new file that a crash has left half written is replaced', async () => {
  const disk = diskWith()
  disk.put(`${PATH}.new`, encode('half of a li'))
  const { ledger, damages } = await open(disk)
  await ledger.add(gap(1))
  expect(damages).toEqual([])
  expect([...disk.files().keys()]).toEqual([PATH, 'data/other'])
  expect(textOf(disk)).toBe(formatLedger(ledger.entries()))
})
