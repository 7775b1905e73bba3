import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from './cache.ts'

/**
 * Downloads Debian's packages of these names and unpacks them into a directory, without root.
 *
 * `withMissing` also unpacks the dependencies that this machine lacks.
 */
export async function unpackPackages(
  dir: string,
  names: readonly string[],
  { withMissing = false } = {},
): Promise<void> {
  const apt = join(dir, 'apt')
  await mkdir(join(apt, 'cache', 'archives', 'partial'), { recursive: true })
  await download(apt, async (options) => {
    const all = withMissing ? await missing(apt, names, options) : names
    await aptGet(apt, ['download', ...all], options)
  })
  for (const name of await readdir(apt)) {
    if (name.endsWith('.deb')) await run('dpkg-deb', ['-x', join(apt, name), dir])
  }
  await rm(apt, { recursive: true })
}

/**
 * Uses the machine's package lists, which needs no root. Where they are missing, as in a new
 * container, or older than the archive, fetches other lists.
 */
async function download(
  apt: string,
  fetch: (options: readonly string[]) => Promise<void>,
): Promise<void> {
  const failures: string[] = []
  const tries = (attempt: Promise<unknown>) =>
    attempt.then(
      () => true,
      (error: Error) => !failures.push(error.message),
    )
  const options = ['APT::Sandbox::User=root', 'Acquire::Retries=3', `Dir::Cache=${apt}/cache`]
  if (await tries(fetch(options))) return
  const lists = join(apt, 'state', 'lists')
  await mkdir(join(lists, 'partial'), { recursive: true })
  options.push(`Dir::State=${apt}/state`, `Dir::State::Lists=${lists}`)
  options.push('Dir::State::Status=/var/lib/dpkg/status')
  await tries(aptGet(apt, ['update'], [...options, 'APT::Update::Error-Mode=any'])) // fetch decides
  if (await tries(fetch(options))) return
  throw new Error([...new Set(failures)].join('; '))
}

/** The packages, and those that apt-get would install with them here. */
async function missing(
  apt: string,
  names: readonly string[],
  options: readonly string[],
): Promise<string[]> {
  const simulate = ['install', '--simulate', '--no-install-recommends', ...names]
  const plan = await aptGet(apt, simulate, options)
  const found = [...plan.matchAll(/^Inst (\S+)/gm)].map(([, name]) => name as string)
  return [...new Set([...names, ...found])]
}

function aptGet(cwd: string, args: string[], options: readonly string[]): Promise<string> {
  const settings = options.flatMap((option) => ['-o', option])
  return run('apt-get', [...args, '-q', ...settings], { cwd, env: { ...process.env, LC_ALL: 'C' } })
}
