/** Programs out of Debian's packages. */

import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from './cache.ts'

/** Brings Debian's packages, which must all be named, and unpacks them into a directory, without root. */
export async function unpackPackages(draft: string, packages: readonly string[]): Promise<void> {
  const apt = join(draft, 'apt')
  await mkdir(join(apt, 'cache', 'archives', 'partial'), { recursive: true })
  await download(apt, packages)
  for (const name of await readdir(apt)) {
    if (name.endsWith('.deb')) await run('dpkg-deb', ['-x', join(apt, name), draft])
  }
  await rm(apt, { recursive: true })
}

/**
 * The machine's package lists usually do, and reading them needs no root. Where they are missing,
 * as in a fresh container, or older than the archive, lists of our own are fetched.
 */
async function download(apt: string, packages: readonly string[]): Promise<void> {
  const failures: string[] = []
  const tries = (args: string[], options: string[]) =>
    aptGet(apt, args, options).then(
      () => true,
      (error: Error) => !failures.push(error.message),
    )
  const options = ['APT::Sandbox::User=root', 'Acquire::Retries=3', `Dir::Cache=${apt}/cache`]
  if (await tries(['download', ...packages], options)) return
  const lists = join(apt, 'state', 'lists')
  await mkdir(join(lists, 'partial'), { recursive: true })
  options.push(`Dir::State=${apt}/state`, `Dir::State::Lists=${lists}`)
  await tries(['update'], [...options, 'APT::Update::Error-Mode=any']) // the next step decides
  if (await tries(['download', ...packages], options)) return
  throw new Error([...new Set(failures)].join('; '))
}

function aptGet(cwd: string, args: string[], options: string[]): Promise<string> {
  const settings = options.flatMap((option) => ['-o', option])
  return run('apt-get', [...args, '-q', ...settings], { cwd, env: { ...process.env, LC_ALL: 'C' } })
}
