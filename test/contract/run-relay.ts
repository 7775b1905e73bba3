import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { environment, patience, root } from './relay-process.ts'

export interface Ending {
  /** null if a signal ended the program. */
  code: number | null
  stdout: string
  stderr: string
}

/** Runs a relay that is to end by itself. */
export function runRelay(command: readonly string[], ...args: string[]): Promise<Ending> {
  const [program, ...rest] = [...command, ...args]
  const options = { cwd: root, env: environment, timeout: patience.timeout }
  return new Promise((resolve) => {
    const child = execFile(program as string, rest, options, (_, stdout, stderr) =>
      resolve({ code: child.exitCode, stdout, stderr }),
    )
  })
}

/** Writes a file that lasts until the end of the test, and returns its path. */
export async function temporaryFile(name: string, text: string): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'relay-'))
  onTestFinished(() => rm(dir, { recursive: true }))
  const path = join(dir, name)
  await writeFile(path, text)
  return path
}
