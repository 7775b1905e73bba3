/** Reads, writes and replaces whole files. */

import type { Disk, DiskFile } from '../runtime.ts'
import { codeOf } from './disk.ts'

/** The bytes of a file; undefined if there is none. */
export async function readFile(disk: Disk, path: string): Promise<Uint8Array | undefined> {
  try {
    const file = await disk.open(path)
    try {
      return await file.read(0, await file.size())
    } finally {
      await file.close()
    }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

/**
 * Creates a file and syncs its bytes. Its name outlasts a power cut only after a `syncFolder`. After a
 * failure the file is removed if the disk allows it.
 *
 * @throws EEXIST if the file exists, or another error of the disk
 */
export async function createFile(disk: Disk, path: string, bytes: Uint8Array): Promise<void> {
  const file = await disk.create(path)
  try {
    try {
      await file.write(0, bytes)
      await file.sync()
    } finally {
      await file.close()
    }
  } catch (error) {
    await disk.remove(path).catch(() => {})
    throw error
  }
}

/** Creates and opens an empty file, in place of an existing one. */
export async function createAnew(disk: Disk, path: string): Promise<DiskFile> {
  try {
    return await disk.create(path)
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
  }
  await disk.remove(path)
  return disk.create(path)
}

/** Replaces the bytes of a file. A crash leaves the old or the new bytes; once this resolves, the new. */
export async function replaceFile(disk: Disk, path: string, bytes: Uint8Array): Promise<void> {
  const draft = `${path}.new`
  await removeIfThere(disk, draft)
  await createFile(disk, draft, bytes)
  await disk.rename(draft, path)
  await disk.syncFolder(folderOf(path))
}

/** Removes a file. Returns whether there was one. */
export async function removeIfThere(disk: Disk, path: string): Promise<boolean> {
  try {
    await disk.remove(path)
    return true
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    throw error
  }
}

export function folderOf(path: string): string {
  const cut = path.lastIndexOf('/')
  return cut < 0 ? '.' : path.slice(0, Math.max(cut, 1))
}
