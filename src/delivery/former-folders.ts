/**
 * Folders of buffers that an earlier version or configuration has left.
 *
 * Earlier versions named the folder of a block without a name after its address, as in
 * `buffers/http%3A%2F%2F%3A9096/influx2`: when the address was changed, the buffer was no longer found.
 */

import { folderOf } from '../disk/atomic-file.ts'
import { codeOf } from '../disk/disk.ts'
import type { Disk, DiskEntry } from '../runtime.ts'
import { laneNumberOf } from './lane-folder.ts'

/** The buffer of an output. */
export interface BufferFolder {
  /** Undefined for a buffer in memory. */
  readonly folder: string | undefined
  /** Where earlier versions would have it, `<buffers>/<block>/<output>`; undefined for the same place. */
  readonly formerFolder?: string | undefined
}

/** The end of the scheme in the name of a block without a name, percent-encoded. */
const AFTER_SCHEME = '%3A%2F%2F'

/**
 * Moves each buffer to its folder from where earlier versions had it, if only one place comes into question.
 * A crash in the middle leaves it in one of the two places.
 *
 * @throws an error of the disk
 */
export async function adoptFormerFolders(
  disk: Disk,
  buffers: readonly BufferFolder[],
): Promise<void> {
  const claimed = new Set(buffers.map(({ folder }) => folder))
  for (const { folder, formerFolder } of buffers) {
    if (folder === undefined || formerFolder === undefined) continue
    if (await hasLanes(disk, folder)) continue
    const found = (await hasLanes(disk, formerFolder))
      ? [formerFolder]
      : await otherFormerFolders(disk, formerFolder)
    const [from, ...others] = found.filter((path) => !claimed.has(path))
    if (from !== undefined && others.length === 0) await moveFolder(disk, from, folder)
  }
}

/**
 * The folders of the data directory with writes that no output will deliver.
 *
 * @throws an error of the disk
 */
export async function findUnclaimed(
  disk: Disk,
  root: string,
  buffers: readonly BufferFolder[],
): Promise<string[]> {
  const claimed = new Set(buffers.map(({ folder }) => folder))
  const unclaimed: string[] = []
  for (const block of await foldersIn(disk, root)) {
    for (const path of await foldersIn(disk, block)) {
      if (!claimed.has(path) && (await hasLanes(disk, path))) unclaimed.push(path)
    }
  }
  return unclaimed
}

/** The folders that the buffer had if its block had other addresses before. */
async function otherFormerFolders(disk: Disk, formerFolder: string): Promise<string[]> {
  const block = folderOf(formerFolder)
  const output = formerFolder.slice(block.length)
  const scheme = block.slice(0, block.indexOf(AFTER_SCHEME) + AFTER_SCHEME.length)
  const found: string[] = []
  for (const path of await foldersIn(disk, folderOf(block))) {
    if (path.startsWith(scheme) && (await hasLanes(disk, path + output))) found.push(path + output)
  }
  return found
}

async function moveFolder(disk: Disk, from: string, to: string): Promise<void> {
  const [source, target] = [folderOf(from), folderOf(to)]
  await disk.makeFolder(target)
  await disk.removeFolder(to).catch((error) => {
    if (codeOf(error) !== 'ENOENT') throw error
  })
  await disk.rename(from, to)
  await disk.syncFolder(target)
  await disk.syncFolder(source)
  // Other outputs of the block may still be in it.
  await disk.removeFolder(source).catch(() => {})
}

async function foldersIn(disk: Disk, folder: string): Promise<string[]> {
  const folders = (await entriesOf(disk, folder)).filter(({ isFolder }) => isFolder)
  return folders.map(({ name }) => `${folder}/${name}`).sort()
}

/** Whether a folder is the buffer of an output, and not empty. */
async function hasLanes(disk: Disk, folder: string): Promise<boolean> {
  const entries = await entriesOf(disk, folder)
  return entries.some(({ name }) => laneNumberOf(name) !== undefined)
}

async function entriesOf(disk: Disk, folder: string): Promise<DiskEntry[]> {
  try {
    return await disk.list(folder)
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(codeOf(error) ?? '')) return []
    throw error
  }
}
