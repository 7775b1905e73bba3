import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Guard } from '../test/real/guard.ts'

let made: Promise<{ dir: string; guard: Guard }> | undefined

/** A folder that is removed when the bench ends. */
export async function scratchFolder(): Promise<string> {
  made ??= make()
  return (await made).dir
}

export async function removeScratch(): Promise<void> {
  if (made) await (await made).guard.end()
}

async function make() {
  const dir = await mkdtemp(join(tmpdir(), 'influxdb-relay-bench-'))
  return { dir, guard: new Guard(dir) }
}
