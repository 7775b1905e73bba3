/** A process for node-disk.test.ts: locks a folder, prints `locked`, and stays alive for `stayMs`. */

import { createNodeDisk } from '../../src/platform/node-disk.ts'

const [folder, stayMs] = process.argv.slice(2)
await createNodeDisk().lock(folder as string)
console.log('locked')
if (stayMs) setTimeout(() => {}, Number(stayMs))
