import { describe, expect, test } from 'vitest'
import type { DamagedFile, RemovedFile } from '../../../src/losses/dead-letter-files.ts'
import {
  type DeadLetter,
  encodeLetter,
  intactBytes,
  kindOf,
} from '../../../src/losses/dead-letter-format.ts'
import { DeadLetters, type DeadLettersOptions } from '../../../src/losses/dead-letters.ts'
import { FakeDisk, type OperationKind } from '../../support/fake-disk.ts'
import { letter } from '../../support/letter-fixture.ts'
import { seededRandom } from '../../support/seeded-random.ts'

const FOLDER = 'data/dead-letters'
const KIB = 1024

const encode = (text: string) => new TextEncoder().encode(text)
const decode = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes)

/** A letter with a unique body of about this many bytes. */
const large = (bytes: number, id = 0, given: Partial<DeadLetter> = {}) =>
  letter(`m${id} v="${'x'.repeat(bytes)}" 5\n`, given)

async function open(disk: FakeDisk, options: DeadLettersOptions = {}) {
  const removed: RemovedFile[] = []
  const damaged: DamagedFile[] = []
  const letters = await DeadLetters.open(disk, FOLDER, {
    onRemoved: (file) => removed.push(file),
    onDamage: (damage) => damaged.push(damage),
    ...options,
  })
  return { letters, removed, damaged }
}

/** The files of the folder, by name. */
const filesOf = (disk: FakeDisk) =>
  new Map([...disk.files()].map(([path, bytes]) => [path.slice(FOLDER.length + 1), bytes]))
const namesOf = (disk: FakeDisk) => [...filesOf(disk).keys()]
const fileWith = (...letters: DeadLetter[]) =>
  [kindOf(letters[0] as DeadLetter).header, ...letters.map(encodeLetter)].map(decode).join('')
const textOf = (disk: FakeDisk, name: string) => decode(filesOf(disk).get(name))

const blocks = (disk: FakeDisk) =>
  [...filesOf(disk).values()].reduce((sum, { length }) => sum + Math.ceil(length / 4096) * 4096, 0)

describe('letters', () => {
  test('of one kind share a file, in order', async () => {
    const disk = new FakeDisk()
    const { letters } = await open(disk)
    const [a, b] = [letter('m v=1 5\n'), letter('m v="x" 6', { message: 'other' })]
    await letters.add(a)
    await letters.add(b)
    expect(namesOf(disk)).toEqual(['influx2.telegraf.s.000001.lp'])
    expect(textOf(disk, 'influx2.telegraf.s.000001.lp')).toBe(fileWith(a, b))
  })

  test('of different kinds have different files', async () => {
    const disk = new FakeDisk()
    const { letters } = await open(disk)
    const all = [
      letter('m v=1 5'),
      letter('m v=1 5', { database: 'x' }),
      letter('m v="a\nb" 5'),
      letter('m v=1 5', { backend: 'influx1', retentionPolicy: 'y' }),
    ]
    await Promise.all([...all, ...all].map((one) => letters.add(one)))
    expect(namesOf(disk)).toEqual([
      'influx1.telegraf.y.s.000004.lp',
      'influx2.telegraf.s.000001.lp',
      'influx2.telegraf.s.curl.000003.lp',
      'influx2.x.s.000002.lp',
    ])
    expect(textOf(disk, 'influx2.x.s.000002.lp')).toBe(
      fileWith(all[1] as DeadLetter, all[1] as DeadLetter),
    )
  })

  test('added together cost one write and one sync', async () => {
    const disk = new FakeDisk()
    const { letters } = await open(disk)
    await letters.add(letter('m v=0 5'))
    const before = new Map(disk.counts)
    await Promise.all(Array.from({ length: 1000 }, (_, i) => letters.add(letter(`m v=${i} 5`))))
    const cost = (kind: OperationKind) => (disk.counts.get(kind) ?? 0) - (before.get(kind) ?? 0)
    expect([cost('write'), cost('sync'), cost('syncFolder')]).toEqual([1, 1, 1])
    expect(textOf(disk, 'influx2.telegraf.s.000001.lp').match(/^# 2023/gm)).toHaveLength(1001)
  })

  test('added after one that does not end cleanly go to a new file', async () => {
    const disk = new FakeDisk()
    const { letters } = await open(disk)
    const all = ['m v="a\nb" 5', 'm v="open', 'm v="c\nd" 5', 'm v=1\\'].map((body) => letter(body))
    await Promise.all(all.slice(0, 3).map((one) => letters.add(one)))
    await letters.add(all[3] as DeadLetter)
    await letters.add(all[0] as DeadLetter)
    const [a, b, c, d] = all as [DeadLetter, DeadLetter, DeadLetter, DeadLetter]
    expect([...filesOf(disk).values()].map(decode)).toEqual([
      fileWith(a, b),
      fileWith(c, d),
      fileWith(a),
    ])
  })
})

describe('files', () => {
  test('are full at an eighth of the bound', async () => {
    const disk = new FakeDisk()
    const { letters } = await open(disk, { maxBytes: 800 * KIB })
    for (let i = 0; i < 5; i++) await letters.add(large(40 * KIB, i))
    await Promise.all([5, 6, 7, 8].map((i) => letters.add(large(40 * KIB, i))))
    const sizes = [...filesOf(disk).values()].map(({ length }) => Math.floor(length / KIB))
    expect(sizes).toEqual([80, 80, 40, 80, 80])
  })

  test('of an earlier process take no more letters, and their numbers are not used again', async () => {
    const disk = new FakeDisk()
    await (await open(disk)).letters.add(letter('m v=1 5'))
    const next = disk.kill()
    const { letters, damaged } = await open(next)
    await letters.add(letter('m v=2 5'))
    expect(damaged).toEqual([])
    expect(namesOf(next)).toEqual(['influx2.telegraf.s.000001.lp', 'influx2.telegraf.s.000002.lp'])
  })

  test('that were moved away are replaced by new ones with a header', async () => {
    const disk = new FakeDisk()
    const { letters } = await open(disk)
    await letters.add(letter('m v=1 5'))
    await disk.rename(`${FOLDER}/influx2.telegraf.s.000001.lp`, 'taken')
    await letters.add(letter('m v=2 5'))
    expect(textOf(disk, 'influx2.telegraf.s.000002.lp')).toBe(fileWith(letter('m v=2 5')))
    expect(letters.bytes).toBe(4 * KIB)
  })

  test('that were changed are left alone', async () => {
    const disk = new FakeDisk()
    const { letters } = await open(disk)
    await letters.add(letter('m v=1 5'))
    disk.put(`${FOLDER}/influx2.telegraf.s.000001.lp`, encode('m v=1 5\n'))
    await letters.add(letter('m v=2 5'))
    expect(textOf(disk, 'influx2.telegraf.s.000001.lp')).toBe('m v=1 5\n')
    expect(textOf(disk, 'influx2.telegraf.s.000002.lp')).toBe(fileWith(letter('m v=2 5')))
  })

  test('with other names are neither counted nor removed', async () => {
    const disk = FakeDisk.of([
      [`${FOLDER}/notes.txt`, new Uint8Array(100 * KIB)],
      [`${FOLDER}/a.000001.lp/b.000002.lp`, new Uint8Array(100 * KIB)],
    ])
    const { letters, removed } = await open(disk, { maxBytes: 16 * KIB })
    expect(letters.bytes).toBe(0)
    for (let i = 0; i < 9; i++) await letters.add(large(3 * KIB, i))
    expect(removed).toHaveLength(5)
    expect(namesOf(disk)).toEqual(expect.arrayContaining(['notes.txt', 'a.000001.lp/b.000002.lp']))
  })
})

describe('the bound', () => {
  test('holds at all times: the oldest file is removed and reported', async () => {
    const disk = new FakeDisk()
    const maxBytes = 64 * KIB
    let most = 0
    disk.before = () => {
      most = Math.max(most, blocks(disk))
    }
    const { letters, removed } = await open(disk, { maxBytes })
    for (let i = 0; i < 60; i++) {
      await letters.add(large(3 * KIB, i, { database: ['a', 'b', 'c'][i % 3] as string }))
      expect(letters.bytes).toBe(blocks(disk))
    }
    expect(most).toBeLessThanOrEqual(maxBytes)
    expect(most).toBeGreaterThan(maxBytes / 2)
    const numbers = removed.map(({ name }) => Number(name?.split('.')[3]))
    expect(numbers).toEqual(numbers.map((_, i) => i + 1))
    expect(removed.length + filesOf(disk).size).toBe(30)
    for (const { bytes } of removed) expect(bytes).toBeGreaterThan(6 * KIB)
  })

  test('holds for many destinations with a tiny file each', async () => {
    const disk = new FakeDisk()
    const { letters } = await open(disk, { maxBytes: 64 * KIB })
    const all = Array.from({ length: 100 }, (_, i) => letter('m v=1 5', { database: `d${i}` }))
    await Promise.all(all.map((one) => letters.add(one)))
    expect(filesOf(disk).size).toBe(16)
  })

  test('may remove the file that was being written', async () => {
    const disk = new FakeDisk()
    const { letters, removed } = await open(disk, { maxBytes: 64 * KIB })
    await letters.add(letter('m v=1 5'))
    for (let i = 0; i < 2; i++) await letters.add(large(30 * KIB, i, { database: 'x' }))
    expect(removed).toMatchObject([{ name: 'influx2.telegraf.s.000001.lp' }])
    await letters.add(letter('m v=2 5'))
    expect(textOf(disk, 'influx2.telegraf.s.000004.lp')).toBe(fileWith(letter('m v=2 5')))
  })

  test('holds for files of an earlier process, in any order on disk', async () => {
    const disk = new FakeDisk()
    const before = (await open(disk)).letters
    for (let i = 0; i < 4; i++) {
      await before.add(large(3 * KIB, i, { database: `d${i}` }))
    }
    const next = FakeDisk.of([...disk.files()].reverse())
    const { letters, removed } = await open(next, { maxBytes: 8 * KIB })
    await letters.add(letter('m v=1 5'))
    expect(removed).toMatchObject(
      [0, 1, 2].map((i) => ({ name: `influx2.d${i}.s.00000${i + 1}.lp` })),
    )
    expect(blocks(next)).toBe(8 * KIB)
  })

  test('keeps out a larger letter, for which no file is removed', async () => {
    const disk = new FakeDisk()
    const { letters, removed } = await open(disk, { maxBytes: 64 * KIB })
    await letters.add(letter('m v=1 5'))
    await letters.add(large(64 * KIB))
    expect(removed).toEqual([{ name: undefined, bytes: expect.any(Number) }])
    expect(removed[0]?.bytes).toBeGreaterThan(64 * KIB)
    expect(filesOf(disk).size).toBe(1)
  })

  test('does not report a file that was already moved away', async () => {
    const disk = new FakeDisk()
    const { letters, removed } = await open(disk, { maxBytes: 16 * KIB })
    await letters.add(large(6 * KIB, 1))
    await disk.remove(`${FOLDER}/influx2.telegraf.s.000001.lp`)
    await letters.add(large(6 * KIB, 2))
    await letters.add(large(6 * KIB, 3))
    expect(removed).toEqual([])
    expect(letters.bytes).toBe(blocks(disk))
  })
})

describe('a disk that fails', () => {
  const kinds: OperationKind[] = ['open', 'size', 'write', 'sync', 'close', 'syncFolder']

  test.each(kinds)('in %s makes add reject, and the letters on disk stay intact', async (kind) => {
    const disk = new FakeDisk()
    const { letters } = await open(disk)
    await letters.add(letter('m v=1 5'))
    disk.fail({ code: 'EIO', kinds: [kind] })
    await expect(letters.add(letter('m v=2 5'))).rejects.toMatchObject({ code: 'EIO' })
    await letters.add(letter('m v=3 5'))
    const after = disk.crash(seededRandom(1))
    const { damaged } = await open(after)
    expect(damaged).toEqual([])
    const texts = [...filesOf(after).values()].map(decode)
    expect(texts[0]?.startsWith(fileWith(letter('m v=1 5')))).toBe(true)
    expect(texts[1]).toBe(fileWith(letter('m v=3 5')))
  })

  test.each([
    ['create', 1],
    ['write', 1],
    ['sync', 1],
    ['syncFolder', 1],
  ] as const)('in %s while a file is created leaves no part of it', async (kind, nth) => {
    const disk = new FakeDisk()
    const { letters } = await open(disk)
    disk.fail({ code: 'ENOSPC', kinds: [kind], nth })
    await expect(letters.add(letter('m v=1 5'))).rejects.toMatchObject({ code: 'ENOSPC' })
    for (const bytes of filesOf(disk).values()) expect(intactBytes(bytes)).toBe(bytes.length)
    await letters.add(letter('m v=2 5'))
    const after = disk.crash(seededRandom(1))
    expect([...filesOf(after).values()].map(decode)).toContain(fileWith(letter('m v=2 5')))
  })

  test('by being full leaves no part of a letter', async () => {
    const disk = new FakeDisk()
    const { letters } = await open(disk)
    await letters.add(letter('m v=1 5'))
    disk.capacity = textOf(disk, 'influx2.telegraf.s.000001.lp').length + 60
    await expect(letters.add(large(100))).rejects.toMatchObject({ code: 'ENOSPC' })
    expect(textOf(disk, 'influx2.telegraf.s.000001.lp')).toBe(fileWith(letter('m v=1 5')))
  })
})

describe('a part of a letter at the end of a file', () => {
  const NAME = 'influx2.telegraf.s.000007.lp'
  const whole = fileWith(letter('m v=1 5'), letter('m v=2 6'))
  const withEnd = (end: string) =>
    FakeDisk.of([[`${FOLDER}/${NAME}`, encode(fileWith(letter('m v=1 5')) + end)]])
  const half = decode(encodeLetter(letter('m v=2 1700000000'))).slice(0, -9)

  test('is moved to a file of its own and reported', async () => {
    const disk = withEnd(half)
    const { damaged, letters } = await open(disk)
    const movedTo = 'influx2.telegraf.s.000008.torn'
    expect(damaged).toEqual([{ name: NAME, bytes: half.length, movedTo }])
    expect(textOf(disk, NAME)).toBe(fileWith(letter('m v=1 5')))
    expect(textOf(disk, movedTo)).toBe(half)
    expect(letters.bytes).toBe(blocks(disk))
    expect((await open(disk)).damaged).toEqual([])
    await letters.add(letter('m v=1 5'))
    expect(namesOf(disk)).toContain('influx2.telegraf.s.000009.lp')
  })

  test('is moved with the whole file if no intact letter comes before it', async () => {
    const disk = FakeDisk.of([
      [`${FOLDER}/${NAME}`, encode(whole.slice(0, 200))],
      [`${FOLDER}/influx2.x.s.000009.lp`, new Uint8Array(0)],
    ])
    const { damaged, letters } = await open(disk)
    const movedTo = 'influx2.telegraf.s.000010.torn'
    expect(damaged).toEqual([{ name: NAME, bytes: 200, movedTo }])
    expect(namesOf(disk)).toEqual([movedTo])
    expect(letters.bytes).toBe(blocks(disk))
  })

  test('stays and is reported if the disk refuses the move', async () => {
    const disk = withEnd(half)
    disk.fail({ code: 'ENOSPC', kinds: ['create'] })
    const { damaged } = await open(disk)
    expect(damaged).toEqual([{ name: NAME, bytes: half.length, movedTo: undefined }])
    expect(textOf(disk, NAME)).toBe(fileWith(letter('m v=1 5')) + half)
  })

  test('is kept through a crash at any operation of the repair', async () => {
    for (let seed = 0; seed < 20; seed++) {
      for (let nth = 1; nth <= 16; nth++) {
        const random = seededRandom(seed * 1000 + nth)
        const disk = withEnd(half)
        await Promise.race([disk.stopAt(nth, random), open(disk)])
        const after = disk.crash(random)
        await open(after)
        expect(textOf(after, NAME)).toBe(fileWith(letter('m v=1 5')))
        expect([...filesOf(after).values()].map(decode)).toContain(half)
      }
    }
  })
})

describe('a crash at any operation', () => {
  /** Adds letters, some of them together. Those whose add has resolved are in `promised`. */
  async function addLetters(disk: FakeDisk, promised: string[]): Promise<void> {
    const { letters } = await open(disk)
    const add = async (body: string, given: Partial<DeadLetter> = {}) => {
      await letters.add(letter(body, given))
      promised.push(body)
    }
    await add('m v=1 5\n')
    await Promise.all([add('m v=2 5\n'), add('m v="open\n'), add('m v=3 5\n', { database: 'x' })])
    await add('m v=4 5\n')
  }

  test.each([
    ['of the process', (disk: FakeDisk) => disk.kill()],
    ['of the machine', (disk: FakeDisk, random: () => number) => disk.crash(random)],
  ])('%s leaves every letter whose add has resolved, and no part of another', async (_, end) => {
    const dry = new FakeDisk()
    await addLetters(dry, [])
    for (let seed = 0; seed < 25; seed++) {
      for (let nth = 1; nth <= dry.operations + 1; nth++) {
        const random = seededRandom(seed * 1000 + nth)
        const disk = new FakeDisk()
        const promised: string[] = []
        await Promise.race([disk.stopAt(nth, random), addLetters(disk, promised)])
        if (nth > dry.operations) expect(promised).toHaveLength(5)
        const after = end(disk, random)
        const { letters, damaged } = await open(after)
        const files = [...filesOf(after)].filter(([name]) => name.endsWith('.lp'))
        const text = files.map(([, bytes]) => decode(bytes)).join('')
        for (const body of promised) expect(text, `seed ${seed}, operation ${nth}`).toContain(body)
        for (const [, bytes] of files) expect(intactBytes(bytes)).toBe(bytes.length)
        for (const { movedTo } of damaged) expect(namesOf(after)).toContain(movedTo)
        await letters.add(letter('m v=9 9'))
      }
    }
  })
})
