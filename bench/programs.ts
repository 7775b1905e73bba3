/**
 * Finds the programs that the bench needs: on PATH, else in Debian's packages, unpacked without
 * root.
 */

import { join } from 'node:path'
import { cached, run } from '../test/real/cache.ts'
import { unpackPackages } from '../test/real/debian.ts'
import { onPath } from '../test/real/find-influxd.ts'

/** A program, and variables to add to its environment. */
export interface Program {
  readonly path: string
  readonly env: Record<string, string>
}

/** By program: Debian's package, the path in it, and the option that prints the version. */
const debian = {
  wrk: { package: 'wrk', path: 'usr/bin/wrk', version: '--version' },
  nginx: { package: 'nginx', path: 'usr/sbin/nginx', version: '-v' },
  haproxy: { package: 'haproxy', path: 'usr/sbin/haproxy', version: '-v' },
  vmagent: { package: 'victoria-metrics', path: 'usr/bin/vmagent', version: '-version' },
  strace: { package: 'strace', path: 'usr/bin/strace', version: '--version' },
} as const

export type ProgramName = keyof typeof debian

/** Not always on the PATH of ordinary users. */
const servers = ['/usr/sbin', '/usr/local/sbin']

const found = new Map<ProgramName, Promise<Program>>()

export function findProgram(name: ProgramName): Promise<Program> {
  const program = found.get(name) ?? locate(name)
  found.set(name, program)
  return program
}

async function locate(name: ProgramName): Promise<Program> {
  const installed = await onPath(name, servers)
  if (installed !== undefined) return { path: installed, env: {} }
  const { package: source, path } = debian[name]
  const dir = await cached(`debian-${source}`, [path], (draft) =>
    unpackPackages(draft, [source], { withMissing: true }),
  ).catch((cause: Error) => {
    throw new Error(
      `There is no ${name} on PATH, and Debian's package ${source} could not be unpacked here ` +
        `(${cause.message}). Install ${source}.`,
      { cause },
    )
  })
  return { path: join(dir, path), env: { LD_LIBRARY_PATH: libraryPath(dir) } }
}

/** Where Debian's packages put libraries; the dynamic linker skips a folder that is missing. */
function libraryPath(dir: string): string {
  const triplet = `${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`
  return ['usr/lib', 'lib'].map((folder) => join(dir, folder, triplet)).join(':')
}

/** The first version number that the program prints, else that of its package. */
export async function versionOf(name: ProgramName): Promise<string> {
  const { path, env } = await findProgram(name)
  const { package: source, version } = debian[name]
  const changelog = join(path, '../../share/doc', source, 'changelog.Debian.gz')
  // Most print it to standard error; Debian's vmagent has none.
  const script = '"$0" "$1" 2>&1 | head -n 3; zcat "$2" 2>/dev/null | head -n 1; true'
  const text = await run('sh', ['-c', script, path, version, changelog], {
    env: { ...process.env, ...env },
  })
  return /\d+\.\d+(\.\d+)?/.exec(text)?.[0] ?? 'unknown'
}
