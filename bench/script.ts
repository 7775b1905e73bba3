import { join } from 'node:path'
import { run } from '../test/real/cache.ts'
import { here } from './paths.ts'

/** Runs a script of this folder in a process of its own, which does nothing else; returns its JSON. */
export async function runScript(name: string, numbers: readonly number[]): Promise<unknown> {
  return JSON.parse(await run(process.execPath, [join(here, name), ...numbers.map(String)]))
}
