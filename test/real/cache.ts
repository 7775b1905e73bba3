import { type ExecFileOptions, execFile } from 'node:child_process'
import { access, chmod, constants, mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'

const cache = join(import.meta.dirname, '..', '..', '.cache')

/**
 * Returns the directory `.cache/<name>` of the repository, filled.
 *
 * `needed` lists the programs that must be in it. When one is missing, `fill` writes into a
 * draft directory that is then renamed, so that no process ever sees a half-filled cache. If several
 * processes start together, one rename wins.
 */
export async function cached(
  name: string,
  needed: string[],
  fill: (draft: string) => Promise<void>,
): Promise<string> {
  const dir = join(cache, name)
  if (await hasPrograms(dir, needed)) return dir
  await mkdir(cache, { recursive: true })
  const draft = await mkdtemp(join(cache, `${name}.`))
  try {
    await chmod(draft, 0o755) // mkdtemp shuts out the other users, who may run the tests too
    await fill(draft)
    await publish(draft, dir, needed)
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
  return dir
}

async function publish(draft: string, dir: string, needed: string[]): Promise<void> {
  if (!(await hasPrograms(draft, needed))) {
    throw new Error(`the download lacks one of these programs: ${needed.join(', ')}`)
  }
  try {
    await rename(draft, dir)
  } catch {
    if (await hasPrograms(dir, needed)) return // another process was first
    await rm(dir, { recursive: true, force: true })
    await rename(draft, dir)
  }
}

async function hasPrograms(dir: string, names: string[]): Promise<boolean> {
  const present = await Promise.all(names.map((name) => isProgram(join(dir, name))))
  return present.every(Boolean)
}

export async function isProgram(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  )
}

/** Runs a program to its end and returns its output; an error has what it printed to stderr. */
export function run(file: string, args: string[], options: ExecFileOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(file, args, { maxBuffer: 2 ** 26, ...options }, (error, stdout, stderr) => {
      if (!error) return resolve(String(stdout))
      const reason = String(stderr).trim().split('\n').slice(0, 4).join(' ') || error.message
      const missing = error.code === 'ENOENT'
      const message = missing ? `there is no ${file}` : `${file} ${args[0] ?? ''}: ${reason}`
      reject(new Error(message, { cause: error }))
    })
  })
}
