import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { faultOf } from '../../../src/disk/disk.ts'
import { lockFolder } from '../../../src/platform/folder-lock.ts'
import { createNodeDisk } from '../../../src/platform/node-disk.ts'
import { SegmentLog } from '../../../src/segments/segment-log.ts'
import { drain, range, record } from '../../support/log-fixture.ts'

const disk = createNodeDisk()
let root: string

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'node-disk-'))
})

afterEach(async () => {
  await rm(root, { recursive: true, force: true })
})

const bytes = (...values: number[]) => Uint8Array.from(values)

async function modeOf(path: string): Promise<string> {
  return ((await stat(path)).mode & 0o777).toString(8)
}

describe('folders', () => {
  test('are made with missing ones above, readable by their owner only', async () => {
    await disk.makeFolder(`${root}/a/b/c`)
    await disk.makeFolder(`${root}/a/b/c`)
    for (const path of ['a', 'a/b', 'a/b/c']) expect(await modeOf(`${root}/${path}`)).toBe('700')
  })

  test('cannot be made below a file', async () => {
    await writeFile(`${root}/file`, '')
    await expect(disk.makeFolder(`${root}/file/a`)).rejects.toMatchObject({ code: 'ENOTDIR' })
  })

  test('are listed with sizes, without dangling links', async () => {
    await mkdir(`${root}/folder`)
    await writeFile(`${root}/file`, 'four')
    await symlink(`${root}/nothing`, `${root}/link`)
    const entries = await disk.list(root)
    expect(entries.sort((a, b) => (a.name < b.name ? -1 : 1))).toMatchObject([
      { name: 'file', bytes: 4, isFolder: false },
      { name: 'folder', isFolder: true },
    ])
    await disk.syncFolder(root)
  })

  test('that do not exist are an error', async () => {
    await expect(disk.list(`${root}/no`)).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(disk.syncFolder(`${root}/no`)).rejects.toMatchObject({ code: 'ENOENT' })
  })
})

describe('files', () => {
  test('are created once, readable by their owner only', async () => {
    const file = await disk.create(`${root}/file`)
    expect(await modeOf(`${root}/file`)).toBe('600')
    await expect(disk.create(`${root}/file`)).rejects.toMatchObject({ code: 'EEXIST' })
    await file.close()
  })

  test('are written and read at any offset', async () => {
    const file = await disk.create(`${root}/file`)
    await file.write(0, bytes(1, 2, 3))
    await file.write(5, bytes(6))
    await file.write(1, bytes(9))
    await file.sync()
    expect(await file.size()).toBe(6)
    expect(await file.read(0, 100)).toEqual(bytes(1, 9, 3, 0, 0, 6))
    expect(await file.read(2, 2)).toEqual(bytes(3, 0))
    expect(await file.read(6, 1)).toEqual(bytes())
    await file.truncate(2)
    await file.close()
    const again = await disk.open(`${root}/file`)
    expect(await again.read(0, 100)).toEqual(bytes(1, 9))
    await again.close()
  })

  test('can be written in megabytes', async () => {
    const large = new Uint8Array(9_000_000).map((_, i) => i * 7)
    const file = await disk.create(`${root}/file`)
    await file.write(3, large)
    expect(Buffer.compare(await file.read(3, large.length), large)).toBe(0)
    await file.close()
  })

  test('are renamed, also over others, and removed', async () => {
    await writeFile(`${root}/a`, 'a')
    await writeFile(`${root}/b`, 'b')
    await disk.rename(`${root}/a`, `${root}/b`)
    expect((await disk.list(root)).map(({ name }) => name)).toEqual(['b'])
    await disk.remove(`${root}/b`)
    await expect(disk.remove(`${root}/b`)).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(disk.open(`${root}/b`)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test.runIf(process.getuid?.() !== 0)('that may not be read are an error', async () => {
    await writeFile(`${root}/file`, '')
    await chmod(`${root}/file`, 0)
    await expect(disk.open(`${root}/file`)).rejects.toMatchObject({ code: 'EACCES' })
  })
})

describe('errors', () => {
  test.runIf(process.platform === 'linux')(
    'name the operation, the file and the fault',
    async () => {
      const full = await disk.open('/dev/full')
      await expect(full.write(0, bytes(1))).rejects.toMatchObject({
        code: 'ENOSPC',
        message: 'cannot write /dev/full: disk full (ENOSPC)',
      })
      await expect(full.sync()).rejects.toThrow('cannot sync /dev/full: disk error (EINVAL)')
      await full.close()
      const broken = await disk.open('/proc/self/mem')
      await expect(broken.read(0, 10)).rejects.toMatchObject({
        code: 'EIO',
        message: 'cannot read /proc/self/mem: disk error (EIO)',
      })
      await broken.close()
    },
  )

  test.each([
    ['open', () => disk.open(`${root}/no`)],
    ['create', () => disk.create(`${root}/no/no`)],
    ['remove', () => disk.remove(`${root}/no`)],
    ['rename', () => disk.rename(`${root}/no`, `${root}/a`)],
    ['list', () => disk.list(`${root}/no`)],
    ['sync', () => disk.syncFolder(`${root}/no`)],
  ])('of %s name the operation and the file', async (operation, attempt) => {
    const error = await attempt().catch((error: Error) => error)
    expect(error).toMatchObject({ code: 'ENOENT' })
    expect((error as Error).message).toMatch(`cannot ${operation} ${root}/no`)
    expect(faultOf(error)).toBe('no such file (ENOENT)')
  })
})

/** The executables of the runtimes that run TypeScript, and their arguments before the file. */
const runtimes: [name: string, args: string[]][] = [
  ['bun', []],
  ['deno', ['run', '-A']],
]

const ROOT = join(import.meta.dirname, '..', '..', '..')

/** Runs a file of `test/support`. Its output is a stream of text. */
function run([name, args]: (typeof runtimes)[number], file: string, ...given: string[]) {
  const executable = join(ROOT, 'node_modules', '.bin', name)
  const all = [...args, join(ROOT, 'test', 'support', file), ...given]
  const child = spawn(executable, all, { stdio: ['ignore', 'pipe', 'inherit'] })
  child.stdout.setEncoding('utf8')
  return child
}

describe('a lock', () => {
  test('keeps a second one out until it is released', async () => {
    const lock = await disk.lock(root)
    await expect(disk.lock(root)).rejects.toMatchObject({
      code: 'EBUSY',
      message: `${root} is in use by process ${process.pid}`,
    })
    await lock.release()
    await (await disk.lock(root)).release()
  })

  test('is for one folder, by any path', async () => {
    await mkdir(`${root}/a`)
    await mkdir(`${root}/b`)
    await symlink(`${root}/a`, `${root}/link`)
    const locks = [await disk.lock(`${root}/a`), await disk.lock(`${root}/b`)]
    await expect(disk.lock(`${root}/link`)).rejects.toMatchObject({ code: 'EBUSY' })
    await expect(disk.lock(`${root}/none`)).rejects.toMatchObject({ code: 'ENOENT' })
    for (const lock of locks) await lock.release()
  })

  const ways = runtimes.flatMap(([name, args]) =>
    ['program', 'own call'].map((way) => ({ name, args, way })),
  )
  test.each(ways)(
    'of a process on $name, by its $way, holds, and ends with it, even by kill -9',
    async ({ name, args, way }) => {
      const child = run([name, args], 'lock-holder.ts', root, '60000', way)
      await once(child.stdout, 'data')
      await expect(disk.lock(root)).rejects.toMatchObject({ code: 'EBUSY' })
      const second = await once(run([name, args], 'lock-holder.ts', root, '', way), 'exit')
      expect(second).not.toEqual([0, null])
      child.kill('SIGKILL')
      await once(child, 'exit')
      await (await disk.lock(root)).release()
    },
  )

  test.each(ways)('does not keep a process running on $name, by its $way', async (one) => {
    const { name, args, way } = one
    const [code] = await once(run([name, args], 'lock-holder.ts', root, '', way), 'exit')
    expect(code).toBe(0)
  })

  test('does not depend on the network namespace', async () => {
    const lock = await disk.lock(root)
    const command = ['-rn', 'flock', '-n', `${root}/lock`, 'true']
    const [code] = await once(spawn('unshare', command, { stdio: 'inherit' }), 'exit')
    expect(code).toBe(1)
    await lock.release()
  })

  test('is not taken by a process that cannot open the folder', async () => {
    const lock = await disk.lock(root)
    expect((await stat(`${root}/lock`)).mode & 0o777).toBe(0o600)
    await lock.release()
  })

  test('is not kept out by the name of a process that had the lock', async () => {
    const lock = await disk.lock(root)
    const text = await readFile(`${root}/lock`, 'utf8')
    await lock.release()
    await writeFile(`${root}/lock`, text)
    await (await disk.lock(root)).release()
  })
})

describe('a lock where there is no flock', () => {
  const lockByName = () => lockFolder(root, async () => 'unsupported')

  /** What the file says if this process holds the lock. */
  const ownName = async () => {
    const lock = await lockByName()
    const text = await readFile(`${root}/lock`, 'utf8')
    await lock.release()
    return JSON.parse(text)
  }

  const advice = (pid: number) =>
    `${root} is in use by process ${pid} (if it is not, remove ${root}/lock)`

  test('keeps a second one out until it is released', async () => {
    const lock = await lockByName()
    const refused = { code: 'EBUSY', message: advice(process.pid) }
    await expect(lockByName()).rejects.toMatchObject(refused)
    // This one has flock, the first has not.
    await expect(disk.lock(root)).rejects.toMatchObject(refused)
    await lock.release()
    await (await lockByName()).release()
  })

  test('is taken by one of two that come at once', async () => {
    const locks = await Promise.allSettled([lockByName(), lockByName()])
    expect(locks.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  })

  test.each([
    ['a process that lives', {}, false],
    ['a process that is gone', { pid: 2 ** 22 + 1 }, true],
    ['an earlier process that had the same id', { start: '1' }, true],
    ['a process before the machine started again', { boot: 'another' }, true],
    ['a process in another container', { namespace: 'pid:[1]' }, false],
  ])('by %s', async (_, changes, isFree) => {
    await writeFile(`${root}/lock`, JSON.stringify({ ...(await ownName()), ...changes }))
    if (isFree) await (await lockByName()).release()
    else await expect(lockByName()).rejects.toMatchObject({ code: 'EBUSY' })
  })

  test.each([
    [1, 'a process that lives', false],
    [2 ** 22 + 1, 'a process that is gone', true],
    [process.pid, 'an earlier process that had the same id', true],
  ])('by an earlier version, with the id %i, of %s', async (pid, _, isFree) => {
    await writeFile(`${root}/lock`, String(pid))
    if (isFree) await (await lockByName()).release()
    else await expect(lockByName()).rejects.toMatchObject({ code: 'EBUSY', message: advice(pid) })
  })

  test.each(['', '{', 'null', '{}'])('by a damaged file: %j', async (text) => {
    await writeFile(`${root}/lock`, text)
    await (await lockByName()).release()
  })
})

describe('a log on the real disk', () => {
  test('continues where the last process stopped', async () => {
    const folder = `${root}/log`
    const options = { segmentBytes: 1000, onDamage: () => expect.unreachable() }
    const first = await SegmentLog.open(disk, folder, options)
    await Promise.all(range(1, 100).map((id) => first.append([record(id, 100)])))
    const found = await first.peek(1000)
    await first.advance(found[4] as NonNullable<(typeof found)[4]>)
    await first.close()
    const second = await SegmentLog.open(disk, folder, options)
    expect(await drain(second, 5000)).toEqual(range(6, 100))
    await second.sync()
    expect(second.isDurablyEmpty).toBe(true)
    expect((await disk.list(folder)).map(({ name }) => name)).toEqual(['head'])
    await second.close()
  })

  test.each(runtimes)('of a process killed on %s has every acknowledged record', async (...one) => {
    const child = run(one, 'log-writer.ts', `${root}/log`)
    let output = ''
    child.stdout.on('data', (text: string) => {
      output += text
      if (output.includes('\n300\n')) child.kill('SIGKILL')
    })
    await once(child, 'close')
    const given = Number(output.split('\n').at(-2))
    const log = await SegmentLog.open(disk, `${root}/log`, { onDamage: () => {} })
    const ids = await drain(log, 1_000_000)
    expect(ids).toEqual(range(1, ids.length))
    expect([given, given + 1]).toContain(ids.length)
    await log.close()
  })
})
