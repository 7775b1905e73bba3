import { join } from 'node:path'
import { run } from '../test/real/cache.ts'
import { here } from './paths.ts'

/** Runs a script of this folder as a process; returns the JSON that it prints. */
export async function runScript(name: string, numbers: readonly number[]): Promise<unknown> {
  return JSON.parse(await run(process.execPath, [join(here, name), ...numbers.map(String)]))
}
