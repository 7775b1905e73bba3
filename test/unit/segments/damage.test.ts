/** What becomes of a log whose files are not what it has written, or cannot be written or read. */

import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Damage } from '../../../src/segments/damage.ts'
import type { StoredRecord } from '../../../src/segments/reader.ts'
import { encode, prepare } from '../../../src/segments/record.ts'
import { FakeDisk } from '../../support/fake-disk.ts'
import {
  contentsOf,
  drain,
  FOLDER,
  idsOf,
  lastOf,
  open,
  range,
  record,
  records,
} from '../../support/log-fixture.ts'
import { seededRandom } from '../../support/seeded-random.ts'

const TIMEOUT_MS = 60_000

type Files = ReadonlyMap<string, Uint8Array>

const RECORD_BYTES = prepare(record(1)).bytes
const HEAD = 'log/head'
const SEGMENTS = [1, 4, 7].map((first) => `log/${String(first).padStart(16, '0')}.segment`)
const [FIRST, SECOND, THIRD] = SEGMENTS as [string, string, string]

/** Records 1 to 9 in three segments; the head is at the start. */
let whole: Files

beforeAll(async () => {
  const disk = new FakeDisk()
  const { log } = await open(disk, { segmentBytes: 3 * RECORD_BYTES })
  for (const one of records(1, 9)) await log.append([one])
  whole = disk.files()
  expect([...whole.keys()]).toEqual([...SEGMENTS, HEAD].sort())
})

/** The files, one of them changed; undefined to leave it out. */
function withFile(path: string, bytes: Uint8Array | undefined): FakeDisk {
  const files = new Map(whole)
  if (bytes) files.set(path, bytes)
  else files.delete(path)
  return FakeDisk.of(files)
}

function bytesOf(path: string): Uint8Array {
  return (whole.get(path) as Uint8Array).slice()
}

function flip(path: string, bit: number): FakeDisk {
  const bytes = bytesOf(path)
  bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7))
  return withFile(path, bytes)
}

/** Opens and drains; the log must be empty and go on working. */
async function salvage(disk: FakeDisk): Promise<{ ids: number[]; damage: Damage[] }> {
  const { log, damage } = await open(disk)
  const ids = await drain(log)
  expect(log.isEmpty).toBe(true)
  await log.append([record(100)])
  expect(await contentsOf(log)).toEqual([100])
  return { ids, damage }
}

const except = (...lost: number[]) => range(1, 9).filter((id) => !lost.includes(id))

describe('a turned bit', { timeout: TIMEOUT_MS }, () => {
  test.each(SEGMENTS.flatMap((path) => [0, 1, 2].map((nth) => [path, nth] as const)))(
    'in %s, record %i, costs that record alone',
    async (path, nth) => {
      const id = SEGMENTS.indexOf(path) * 3 + nth + 1
      const from = nth * RECORD_BYTES
      for (let bit = from * 8; bit < (from + RECORD_BYTES) * 8; bit++) {
        const disk = flip(path, bit)
        const broken = disk.files().get(path) as Uint8Array
        const { ids, damage } = await salvage(disk)
        expect(ids, `bit ${bit}`).toEqual(except(id))
        const [{ copy, ...report }] = damage as [Damage]
        expect(damage).toHaveLength(1)
        expect(report).toMatchObject({ file: path, offset: from, bytes: RECORD_BYTES })
        expect(report.records).toBe(id === 9 ? undefined : 1)
        expect(disk.files().get(copy as string)).toEqual(broken.slice(from, from + RECORD_BYTES))
      }
    },
  )

  test('in the head file costs nothing', async () => {
    for (let bit = 0; bit < 3 * 4096 * 8; bit += (bit >> 3) % 4096 < 48 ? 1 : 999) {
      const { ids } = await salvage(flip(HEAD, bit))
      expect(ids, `bit ${bit}`).toEqual(range(1, 9))
    }
  })
})

describe('records that are lost', () => {
  /** Drains a log, whose listener cannot note a loss at first. */
  async function losses(disk: FakeDisk, refusals = 0) {
    const lost: (number | undefined)[] = []
    let refused = 0
    const onLoss = async (records: number | undefined) => {
      if (refused++ < refusals) throw Object.assign(new Error('full'), { code: 'EIO' })
      lost.push(records)
    }
    const { log } = await open(disk, { onLoss })
    for (let tries = 0; tries < refusals; tries++) {
      const { message, code } = await drain(log).catch((error) => error)
      expect([message, code]).toEqual(['cannot record a loss: full', undefined])
    }
    await drain(log)
    expect(log.isEmpty).toBe(true)
    return lost
  }

  test.each([
    ['a turned bit', () => flip(FIRST, 400), [1]],
    [
      'a turned bit in the very last record, which a crash may have cut off',
      () => flip(THIRD, 1000),
      [undefined],
    ],
    [
      'a segment of nothing but garbage',
      () => withFile(SECOND, new Uint8Array(3 * RECORD_BYTES).fill(1)),
      [3],
    ],
    ['a missing file', () => withFile(SECOND, undefined), [3]],
    ['a missing first file', () => withFile(FIRST, undefined), [3]],
    ['a file that was cut', () => withFile(FIRST, bytesOf(FIRST).subarray(0, RECORD_BYTES)), [2]],
    ['a torn end', () => withFile(THIRD, bytesOf(THIRD).subarray(0, 2 * RECORD_BYTES + 20)), []],
    ['an end of zeros', () => withFile(THIRD, bytesOf(THIRD).fill(0, 2 * RECORD_BYTES + 40)), []],
    ['no head file', () => withFile(HEAD, undefined), []],
  ] as [string, () => FakeDisk, (number | undefined)[]][])('%s', async (_, damage, lost) => {
    expect(await losses(damage())).toEqual(lost)
  })

  test('stay until the note of them could be made', async () => {
    expect(await losses(flip(SECOND, 400), 2)).toEqual([1])
  })

  test('are noted once, also over restarts, however the process ends', async () => {
    for (let nth = 1; nth < 12; nth++) {
      let noted = 0
      const onLoss = async () => {
        noted++
      }
      let disk = flip(SECOND, 400)
      const { log } = await open(disk, { onLoss })
      await log.advance(lastOf(await log.peek(1000)))
      expect(noted).toBe(0)
      expect(idsOf(await log.peek(1000))).toEqual([5, 6, 7, 8, 9])
      disk = nth % 2 === 0 ? disk.kill() : disk.crash(seededRandom(nth))
      const again = await open(disk, { onLoss })
      expect(await contentsOf(again.log)).toEqual([5, 6, 7, 8, 9])
      expect(noted).toBe(1)
    }
  })
})

describe('a file that was cut', { timeout: TIMEOUT_MS }, () => {
  test.each(SEGMENTS)('%s, anywhere, keeps the records before the cut', async (path) => {
    const size = bytesOf(path).length
    for (let length = 0; length < size; length++) {
      const { ids, damage } = await salvage(withFile(path, bytesOf(path).subarray(0, length)))
      const first = SEGMENTS.indexOf(path) * 3 + 1
      const lost = range(first + Math.floor(length / RECORD_BYTES), first + 2)
      expect(ids, `${length} bytes`).toEqual(except(...lost))
      const isClean = length % RECORD_BYTES === 0
      if (path === THIRD) {
        // What is missing at the very end, nothing can tell.
        expect(damage.map(({ reason }) => reason)).toEqual(isClean ? [] : ['torn'])
      } else {
        expect(damage).toHaveLength(1)
        expect(damage[0]).toMatchObject({ file: path, records: lost.length })
        const bytes = length % RECORD_BYTES
        expect(damage[0]).toMatchObject({ reason: isClean ? 'missing' : 'torn', bytes })
      }
    }
  })

  test('before the head, where all was delivered, misses what was behind the head', async () => {
    for (const path of [FIRST, THIRD]) {
      const disk = FakeDisk.of(path === FIRST ? whole : [[THIRD, bytesOf(THIRD)]])
      const { log } = await open(disk)
      await log.advance((await log.peek(1000))[1] as StoredRecord)
      const files = disk.files()
      files.set(path, bytesOf(path).subarray(0, 10))
      const { ids, damage } = await salvage(FakeDisk.of(files))
      expect(ids).toEqual(path === FIRST ? range(4, 9) : [])
      expect(damage).toMatchObject(
        path === FIRST ? [{ reason: 'missing', records: 1, bytes: 0 }] : [],
      )
    }
  })

  test('the head file starts at the first segment, and says so', async () => {
    for (const length of [0, 20]) {
      const { ids, damage } = await salvage(withFile(HEAD, bytesOf(HEAD).subarray(0, length)))
      expect(ids).toEqual(range(1, 9))
      expect(damage).toMatchObject([{ file: HEAD, reason: 'head' }])
    }
  })
})

describe('a head file that the disk', () => {
  const anew = [{ file: HEAD, reason: 'head' }]

  test.each([
    ['open', 1, range(3, 9), []],
    ['open', 2, range(1, 9), anew],
    ['read', 1, range(3, 9), []],
    ['read', 2, range(1, 9), anew],
    ['write', 1, range(3, 9), []],
    ['sync', 1, range(3, 9), []],
  ] as const)('fails to %s, %i times', async (kind, times, ids, reported) => {
    const disk = FakeDisk.of(whole)
    const { log } = await open(disk)
    for (let i = 0; i < 2; i++) await log.advance(lastOf(await log.peek(1)))
    const next = disk.kill()
    next.fail({ code: 'EIO', kinds: [kind], path: HEAD, times })
    const { ids: found, damage } = await salvage(next)
    expect(found).toEqual(ids)
    expect(damage).toMatchObject(reported)
    const { log: last, damage: later } = await open(next.kill())
    expect([await contentsOf(last), later]).toEqual([[100], []])
  })

  test.each(['remove', 'write', 'sync'] as const)(
    'fails to %s keeps the log shut',
    async (kind) => {
      const disk = FakeDisk.of(whole)
      if (kind === 'remove') disk.fail({ code: 'EIO', kinds: ['read'], path: HEAD, times: 2 })
      disk.fail({ code: 'EIO', kinds: [kind], path: HEAD, times: 2 })
      await expect(open(disk)).rejects.toThrow(HEAD)
    },
  )
})

describe('a file that is gone', () => {
  test('the head file: the log starts at the first segment', async () => {
    expect((await salvage(withFile(HEAD, undefined))).ids).toEqual(range(1, 9))
  })

  test.each([
    [FIRST, [1, 2, 3]],
    [SECOND, [4, 5, 6]],
  ])('%s is missed', async (path, lost) => {
    const { ids, damage } = await salvage(withFile(path, undefined))
    expect(ids).toEqual(except(...lost))
    expect(damage).toHaveLength(1)
    expect(damage[0]).toMatchObject({ reason: 'missing', records: 3, bytes: 0 })
  })

  test('is missed, too, when it goes while the log is open', async () => {
    const disk = FakeDisk.of(whole)
    const { log, damage } = await open(disk)
    await disk.remove(SECOND)
    expect(await drain(log)).toEqual(except(4, 5, 6))
    expect(damage).toMatchObject([{ reason: 'missing', records: 3, file: SECOND }])
  })

  test('and nothing behind it but a torn record', async () => {
    const disk = FakeDisk.of([
      [HEAD, bytesOf(HEAD)],
      [SECOND, bytesOf(SECOND).subarray(0, 20)],
    ])
    const { ids, damage } = await salvage(disk)
    expect(ids).toEqual([])
    expect(damage).toMatchObject([{ reason: 'torn' }, { reason: 'missing', records: 3 }])
  })
})

describe('other damage', () => {
  test('whatever is written over a segment, what it spares comes out in order', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...SEGMENTS),
        fc.nat(3 * RECORD_BYTES - 1),
        fc.uint8Array({ minLength: 1, maxLength: 2 * RECORD_BYTES }),
        async (path, at, garbage) => {
          const bytes = bytesOf(path)
          const end = Math.min(at + garbage.length, bytes.length)
          const before = bytes.slice(at, end)
          bytes.set(garbage.subarray(0, end - at), at)
          fc.pre(!before.every((byte, i) => byte === garbage[i]))
          const { ids } = await salvage(withFile(path, bytes))
          const first = SEGMENTS.indexOf(path) * 3 + 1
          const hit = (nth: number) =>
            at < (nth + 1) * RECORD_BYTES && end > nth * RECORD_BYTES ? [first + nth] : []
          const touched = [0, 1, 2].flatMap(hit)
          expect(ids.filter((id) => !touched.includes(id))).toEqual(except(...touched))
          expect(ids).toEqual([...ids].sort((a, b) => a - b))
        },
      ),
    )
  })

  test('records are found behind megabytes of nothing', async () => {
    const bytes = new Uint8Array(3_000_000 + 3 * RECORD_BYTES)
    bytes.set(bytesOf(SECOND), 3_000_000)
    const disk = withFile(SECOND, bytes)
    const { ids, damage } = await salvage(disk)
    expect(ids).toEqual(range(1, 9))
    expect(damage).toMatchObject([{ reason: 'header', bytes: 3_000_000, records: 0 }])
    expect(disk.files().get(damage[0]?.copy as string)).toHaveLength(3_000_000)
  })

  test('a record within a body is not taken for one, even if the one around it is broken', async () => {
    const around = { ...record(1), body: encode(records(2, 3).map(prepare), 2) }
    const disk = new FakeDisk()
    const { log } = await open(disk)
    await log.append([around])
    await log.append([record(4)])
    const bytes = (disk.files().get(FIRST) as Uint8Array).slice()
    bytes[37] = 0
    const broken = await salvage(FakeDisk.of([[FIRST, bytes]]))
    expect(broken.ids).toEqual([4])
    expect(broken.damage).toMatchObject([{ reason: 'checksum', records: 1 }])
  })

  test('nor does it lead the search past the records behind it', async () => {
    const long = encode([prepare(record(50, 500))], 50).subarray(0, 60)
    const disk = new FakeDisk()
    const { log } = await open(disk)
    await log.append([{ ...record(1), body: long }])
    await log.append([record(2)])
    await log.append([record(3, 1000)])
    const bytes = (disk.files().get(FIRST) as Uint8Array).slice()
    bytes[0] = 0
    expect((await salvage(FakeDisk.of([[FIRST, bytes]]))).ids).toEqual([2, 3])
  })

  test('records that come while the tail is set aside are not passed over', async () => {
    const disk = new FakeDisk()
    const { log } = await open(disk, { segmentBytes: 4 * RECORD_BYTES })
    for (const one of records(1, 2)) await log.append([one])
    await (await disk.open(FIRST)).write(RECORD_BYTES, new Uint8Array(10))
    let appended = false
    disk.before = async ({ kind }) => {
      if (kind !== 'makeFolder' || appended) return
      appended = true
      for (const one of records(3, 7)) await log.append([one])
    }
    const found = idsOf(await log.peek(1000))
    expect(found).toEqual([1])
    await log.advance(lastOf(await log.peek(1000)))
    expect(idsOf(await log.peek(1))).toEqual([3])
    expect(await contentsOf(log)).toEqual([3, 4, 5, 6, 7])
  })

  test('the copy outlasts the segment', async () => {
    for (const seed of range(1, 40)) {
      const disk = flip(FIRST, 400)
      const broken = (disk.files().get(FIRST) as Uint8Array).slice(0, RECORD_BYTES)
      const { damage } = await salvage(disk)
      const left = disk.crash(seededRandom(seed)).files()
      expect(left.get(damage[0]?.copy as string)).toEqual(broken)
    }
  })

  test('damage at the head is reported once, whatever is called', async () => {
    const { log, damage } = await open(flip(FIRST, 400))
    for (let times = 0; times < 3; times++) expect(await contentsOf(log)).toEqual(except(1))
    expect(damage).toHaveLength(1)
  })

  test('a torn end is reported once, also over restarts', async () => {
    const disk = withFile(THIRD, bytesOf(THIRD).subarray(0, 2 * RECORD_BYTES + 20))
    expect((await open(disk)).damage).toMatchObject([{ reason: 'torn', bytes: 20 }])
    const again = await open(disk.kill())
    expect(again.damage).toEqual([])
    expect(await contentsOf(again.log)).toEqual(except(9))
  })

  test('damage alone is an empty log, once peek has met it', async () => {
    const disk = FakeDisk.of([
      [FIRST, new Uint8Array(500)],
      [SECOND, new Uint8Array(0)],
    ])
    const { log, damage } = await open(disk)
    expect(log).toMatchObject({ isEmpty: false, isDurablyEmpty: false })
    expect(await log.peek(100)).toEqual([])
    expect(log.isEmpty).toBe(true)
    expect(damage).toMatchObject([{ reason: 'header', bytes: 500, records: 3 }])
    await log.sync()
    expect(log.isDurablyEmpty).toBe(true)
  })

  test('a segment that shrinks while it is open', async () => {
    const disk = FakeDisk.of(whole)
    const { log, damage } = await open(disk)
    await (await disk.open(FIRST)).truncate(RECORD_BYTES + 10)
    expect(await drain(log)).toEqual(except(2, 3))
    expect(damage).toMatchObject([{ file: FIRST, records: 2 }])
  })

  test('foreign files stay, and are reported', async () => {
    const names = ['notes.txt', '1.segment', 'x000000000000001.segment', '0000000000000000.segment']
    const disk = FakeDisk.of([
      ...whole,
      ...names.map((name) => [`log/${name}`, new Uint8Array(7)] as const),
      ['log/folder/file', new Uint8Array(1)],
      ['log/lock', new Uint8Array(1)],
    ])
    const { ids, damage } = await salvage(disk)
    expect(ids).toEqual(range(1, 9))
    expect(damage.map(({ file, reason }) => `${reason} ${file}`).sort()).toEqual(
      [...names, 'folder'].map((name) => `foreign log/${name}`).sort(),
    )
    for (const name of names) expect(disk.files().has(`log/${name}`)).toBe(true)
  })

  test('a copy takes the place of an earlier one', async () => {
    const disk = flip(FIRST, 400)
    disk.put('log/damaged/0000000000000001.segment-0', new Uint8Array(9999))
    const { damage } = await salvage(disk)
    expect(disk.files().get(damage[0]?.copy as string)).toHaveLength(RECORD_BYTES)
  })

  test('without room for a copy the whole segment is kept', async () => {
    const disk = flip(FIRST, 400)
    const broken = disk.files().get(FIRST)
    disk.fail({ code: 'ENOSPC', kinds: ['create'] })
    const { ids, damage } = await salvage(disk)
    expect(ids).toEqual(except(1))
    expect(damage).toMatchObject([{ copy: undefined, records: 1 }])
    expect(disk.files().get('log/damaged/0000000000000001.segment')).toEqual(broken)
  })
})

test('without room for a copy of a torn end, too', async () => {
  const torn = bytesOf(THIRD).subarray(0, 2 * RECORD_BYTES + 20)
  const disk = withFile(THIRD, torn)
  disk.fail({ code: 'ENOSPC', kinds: ['create'] })
  const { ids, damage } = await salvage(disk)
  expect(ids).toEqual(except(9))
  expect(damage).toMatchObject([{ reason: 'torn', copy: undefined }])
  expect(disk.files().get('log/damaged/0000000000000007.segment')).toEqual(torn)
})

describe('a disk that fails', () => {
  test.each([
    ['EIO', 'write'],
    ['EIO', 'sync'],
    ['ENOSPC', 'write'],
    ['ENOSPC', 'create'],
    ['EIO', 'syncFolder'],
  ] as const)(
    'with %s at %s: append rejects, and works again when the disk does',
    async (code, kind) => {
      for (const already of [0, 2]) {
        const disk = new FakeDisk()
        const { log, damage } = await open(disk, { segmentBytes: 5000 })
        for (const one of records(1, already)) await log.append([one])
        // With a segment to write to, none is created, and the folder is not synced.
        if (already > 0 && ['create', 'syncFolder'].includes(kind)) continue
        disk.fail({ code, kinds: [kind], path: 'log' })
        await expect(log.append(records(11, 13))).rejects.toThrow(code)
        expect(await contentsOf(log)).toEqual(range(1, already))
        await log.append(records(21, 22))
        const expected = [...range(1, already), 21, 22]
        expect(await contentsOf(log)).toEqual(expected)
        for (const seed of range(1, 20)) {
          const again = await open(disk.crash(seededRandom(seed)))
          expect(await contentsOf(again.log)).toEqual(expected)
          expect([...damage, ...again.damage]).toEqual([])
        }
      }
    },
  )

  test('has the segment in which it failed removed as soon as that is drained', async () => {
    const disk = new FakeDisk()
    const { log } = await open(disk)
    await log.append(records(1, 2))
    disk.fail({ code: 'EIO', kinds: ['sync'] })
    await expect(log.append([record(3)])).rejects.toThrow('EIO')
    expect(await drain(log)).toEqual([1, 2])
    expect([...disk.files().keys()]).toEqual([HEAD])
  })

  test('even if it refuses to take back what was half written', async () => {
    const disk = new FakeDisk()
    const { log } = await open(disk)
    await log.append(records(1, 2))
    disk.fail({ code: 'EIO', kinds: ['sync', 'truncate'], times: 2 })
    await expect(log.append(records(11, 12))).rejects.toThrow('EIO')
    await log.append(records(21, 22))
    expect(await contentsOf(log)).toEqual([1, 2, 21, 22])
    const again = await open(disk.kill())
    expect(await contentsOf(again.log)).toEqual([1, 2, 21, 22])
    expect(again.damage).toMatchObject([{ reason: 'sequence', records: 0 }])
  })

  test('to create the head file: it is there for good once it counts', async () => {
    for (const seed of range(1, 20)) {
      const disk = new FakeDisk()
      disk.fail({ code: 'ENOSPC', kinds: ['create'], path: 'head' })
      const { log } = await open(disk)
      await log.append(records(1, 2))
      await log.dropOldest(async () => {})
      const again = await open(disk.crash(seededRandom(seed)))
      expect(await contentsOf(again.log), `seed ${seed}`).toEqual([])
    }
  })

  test('full: takes nothing that does not fit, and drains', async () => {
    const disk = new FakeDisk()
    const { log } = await open(disk, { segmentBytes: 3 * RECORD_BYTES })
    disk.capacity = 3 * 4096 + 5 * RECORD_BYTES + 20
    for (const one of records(1, 5)) await log.append([one])
    await expect(log.append([record(6)])).rejects.toThrow('ENOSPC')
    expect(await contentsOf(log)).toEqual(range(1, 5))
    await log.advance((await log.peek(1000))[3] as StoredRecord)
    for (const one of records(7, 8)) await log.append([one])
    expect(await contentsOf(log)).toEqual([5, 7, 8])
  })

  test('to be read: what comes before is given out, the rest when it can be read again', async () => {
    const disk = FakeDisk.of(whole)
    const { log } = await open(disk)
    disk.fail({ code: 'EIO', kinds: ['read'], path: SECOND })
    const found = await log.peek(1000)
    expect(idsOf(found)).toEqual([1, 2, 3])
    await log.advance(found[2] as StoredRecord)
    expect(await contentsOf(log)).toEqual(range(4, 9))
  })

  test('to be read for good: dropOldest gets past it, and keeps the file', async () => {
    const disk = FakeDisk.of(whole)
    const { log, damage } = await open(disk)
    disk.fail({ code: 'EIO', kinds: ['read'], path: FIRST, times: 1000 })
    await expect(log.peek(1000)).rejects.toThrow('EIO')
    await log.dropOldest(async () => {})
    expect(damage).toMatchObject([{ file: FIRST, reason: 'unreadable', records: 3 }])
    expect(disk.files().get(`${FOLDER}/damaged/0000000000000001.segment`)).toEqual(bytesOf(FIRST))
    expect(await contentsOf(log)).toEqual(range(4, 9))
  })

  test('to be read: what cannot be read is given up when asked to, and nothing else', async () => {
    const disk = FakeDisk.of(whole)
    const lost: (number | undefined)[] = []
    const { log, damage } = await open(disk, { onLoss: async (records) => void lost.push(records) })
    await log.dropUnreadable()
    expect(damage).toEqual([])
    await log.advance((await log.peek(1000))[0] as StoredRecord)
    disk.fail({ code: 'EIO', kinds: ['read'], path: FIRST, times: 1000 })
    await expect(log.peek(1000)).rejects.toThrow('EIO')
    await log.dropUnreadable()
    expect(damage).toMatchObject([{ file: FIRST, reason: 'unreadable', records: 2 }])
    expect(lost).toEqual([2])
    expect(disk.files().get(`${FOLDER}/damaged/0000000000000001.segment`)).toEqual(bytesOf(FIRST))
    expect(await contentsOf(log)).toEqual(range(4, 9))
    const again = await open(disk.crash(seededRandom(1)))
    expect(await contentsOf(again.log)).toEqual(range(4, 9))
  })

  test('to read the last segment, at start: the log works without it, and keeps the file', async () => {
    for (const path of [THIRD, FIRST]) {
      const disk = path === THIRD ? FakeDisk.of(whole) : FakeDisk.of([[FIRST, bytesOf(FIRST)]])
      disk.fail({ code: 'EIO', kinds: ['read'], path, times: 1000 })
      const lost: (number | undefined)[] = []
      const onLoss = async (records: number | undefined) => void lost.push(records)
      const { log, damage } = await open(disk, { onLoss })
      expect(damage).toMatchObject([{ file: path, reason: 'unreadable' }])
      expect(lost).toEqual([undefined])
      disk.heal()
      await log.append([record(100)])
      const again = await open(disk.crash(seededRandom(1)))
      expect(await drain(again.log)).toEqual(path === THIRD ? [...range(1, 6), 100] : [100])
      expect(again.damage).toEqual([])
      const kept = disk.files().get(path.replace('log/', 'log/damaged/'))
      expect(kept).toEqual(bytesOf(path))
    }
  })

  test('at start: open rejects, holds no file, and works when it is called again', async () => {
    for (const nth of range(1, 12)) {
      const disk = FakeDisk.of(whole)
      disk.fail({ code: 'EIO', nth })
      const result = await open(disk).catch((error) => error)
      if (result instanceof Error) expect(disk.openFiles).toBe(0)
      disk.heal()
      expect((await salvage(FakeDisk.of(disk.files()))).ids).toEqual(range(1, 9))
    }
  })
})
