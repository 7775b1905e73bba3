/**
 * A process for node-disk.test.ts: locks a folder by the runtime's own call, or by the program `flock`, prints
 * `locked`, and stays alive for `stayMs`.
 */

import type { FileLock } from '../../src/platform/folder-lock.ts'
import { createNodeDisk } from '../../src/platform/node-disk.ts'

const [folder, stayMs, way] = process.argv.slice(2)
await createNodeDisk(way === 'own call' ? await ownLock() : undefined).lock(folder as string)
console.log('locked')
if (stayMs) setTimeout(() => {}, Number(stayMs))

async function ownLock(): Promise<FileLock> {
  const name = 'Deno' in globalThis ? 'deno' : 'bun'
  const { lockFile } = await import(`../../src/platform/${name}-file-lock.ts`)
  return lockFile
}
