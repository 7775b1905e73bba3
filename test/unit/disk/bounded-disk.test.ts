import { expect, test } from 'vitest'
import { BoundedDisk } from '../../../src/disk/bounded-disk.ts'
import { FakeDisk } from '../../support/fake-disk.ts'

const bytes = (value: number) => Uint8Array.of(value)

async function openFiles(count: number, maxOpenFiles: number) {
  const fake = new FakeDisk()
  await fake.makeFolder('f')
  const disk = new BoundedDisk(fake, maxOpenFiles)
  const files = []
  for (let i = 0; i < count; i++) files.push(await disk.create(`f/${i}`))
  return { fake, disk, files }
}

test.each([1, 2, 7])('a hundred files share %i handles', async (maxOpenFiles) => {
  const { fake, disk, files } = await openFiles(100, maxOpenFiles)
  let most = 0
  fake.before = () => {
    most = Math.max(most, fake.openFiles)
  }
  await Promise.all(
    files.map(async (file, i) => {
      await file.write(0, bytes(i))
      await Promise.all([file.sync(), file.write(1, bytes(7)), disk.list('f')])
      expect(await file.read(0, 2)).toEqual(Uint8Array.of(i, 7))
      expect(await file.size()).toBe(2)
    }),
  )
  expect(most).toBe(maxOpenFiles)
  for (const file of files) await file.close()
  expect(fake.openFiles).toBe(0)
})

test('a handle is not closed while an operation uses it', async () => {
  const { fake, files } = await openFiles(2, 1)
  let release = () => {}
  fake.before = ({ kind }) => {
    if (kind === 'write')
      return new Promise((resolve) => {
        release = resolve
      })
  }
  const order: string[] = []
  const write = files[0]?.write(0, bytes(1)).then(() => order.push('write'))
  const size = files[1]?.size().then(() => order.push('size'))
  await new Promise((resolve) => setTimeout(resolve, 5))
  expect(order).toEqual([])
  release()
  await Promise.all([write, size])
  expect(order).toEqual(['write', 'size'])
  expect(fake.files().get('f/0')).toEqual(bytes(1))
})

test('a file that is not synced is synced before its handle is closed, and an error is kept', async () => {
  const { fake, files } = await openFiles(2, 1)
  const [first, second] = files
  await first?.write(0, bytes(1))
  fake.fail({ code: 'EIO', kinds: ['sync'], path: 'f/0' })
  await second?.size()
  await expect(first?.sync()).rejects.toMatchObject({ code: 'EIO' })
  await first?.sync()
})

test('a file that cannot be opened again rejects, and takes no handle', async () => {
  const { fake, disk, files } = await openFiles(2, 1)
  await disk.remove('f/0')
  await expect(files[0]?.size()).rejects.toMatchObject({ code: 'ENOENT' })
  await expect(disk.open('f/none')).rejects.toMatchObject({ code: 'ENOENT' })
  expect(await files[1]?.size()).toBe(0)
  await files[1]?.close()
  await expect(files[1]?.size()).rejects.toMatchObject({ code: 'EBADF' })
  expect(fake.openFiles).toBe(0)
})
