/** Files that are read, written and replaced as a whole. */

import type { Disk, DiskFile } from '../runtime.ts'
import { codeOf } from './disk.ts'

/** The bytes of a file, or undefined if there is none. */
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
 * Makes a file; its bytes are synced, its name is so only after a `syncFolder`. What may be left of it
 * after a failure is removed if that can be done.
 *
 * Rejects with EEXIST if the name is taken.
 */
export async function createFile(disk: Disk, path: string, bytes: Uint8Array): Promise<void> {
  const file = await disk.create(path)
  try {
    await writeAll(file, bytes)
  } catch (error) {
    await disk.remove(path).catch(() => {})
    throw error
  }
}

async function writeAll(file: DiskFile, bytes: Uint8Array): Promise<void> {
  try {
    await file.write(0, bytes)
    await file.sync()
  } finally {
    await file.close()
  }
}

/**
 * Puts new bytes in the place of a file's. A crash at any moment leaves the old or the new ones; once
 * this has resolved, it leaves the new ones.
 */
export async function replaceFile(disk: Disk, path: string, bytes: Uint8Array): Promise<void> {
  const draft = `${path}.new`
  await removeIfThere(disk, draft)
  await createFile(disk, draft, bytes)
  await disk.rename(draft, path)
  await disk.syncFolder(folderOf(path))
}

/** Returns whether the file was there. */
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
