/** The machine and the programs of a run. */

import { execFileSync } from 'node:child_process'
import { arch, cpus, release, totalmem } from 'node:os'
import { run } from '../test/real/cache.ts'
import { findInfluxd } from '../test/real/find-influxd.ts'
import { root } from './paths.ts'
import { versionOf } from './programs.ts'
import type { Subject } from './subjects.ts'

export interface Machine {
  readonly cores: number
  readonly processor: string
  readonly memoryGb: number
  readonly system: string
  readonly date: string
  readonly commit: string
  /** By the name of the program. */
  readonly versions: Readonly<Record<string, string>>
}

export async function describeMachine(subjects: readonly Subject[]): Promise<Machine> {
  const versions: Record<string, string> = { wrk: await versionOf('wrk') }
  versions.influxd = await influxdVersion()
  versions.nginx = await versionOf('nginx')
  for (const { name, version } of subjects) {
    const text = await version()
    if (text !== '') versions[name] = text
  }
  return {
    cores: cpus().length,
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    memoryGb: Math.round(totalmem() / 1024 ** 3),
    system: `Linux ${release()} ${arch()}`,
    date: new Date().toISOString().slice(0, 10),
    commit: commit(),
    versions,
  }
}

async function influxdVersion(): Promise<string> {
  const text = await run((await findInfluxd()).influxd, ['version'])
  return /v?(1\.[^ ]+)/.exec(text)?.[1] ?? 'unknown'
}

/** The commit, or "unknown" where the sources have no history. */
function commit(): string {
  try {
    const git = (...args: string[]) =>
      execFileSync('git', args, {
        cwd: root,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      })
    const changed = git('status', '--porcelain', '--', 'src').trim() !== ''
    return git('rev-parse', '--short', 'HEAD').trim() + (changed ? ' with changes' : '')
  } catch {
    return 'unknown'
  }
}

/** Two lines of text. */
export function machineText({
  cores,
  processor,
  memoryGb,
  system,
  date,
  commit,
  versions,
}: Machine) {
  const programs = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  return [
    `${date}, commit ${commit}: ${cores} cores (${processor}), ${memoryGb} GB, ${system}.`,
    `${programs.join(', ')}.`,
  ].join('\n')
}
