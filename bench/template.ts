import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { here } from './paths.ts'

/**
 * Writes a configuration of this folder to another one, with `${NAME}` replaced; returns its path.
 */
export async function fill(
  name: string,
  dir: string,
  values: Readonly<Record<string, string | number>>,
): Promise<string> {
  const text = await readFile(join(here, name), 'utf8')
  const path = join(dir, name)
  const filled = text.replace(/\$\{(\w+)\}/g, (_, key: string) => {
    if (!(key in values)) throw new Error(`${name}: there is no value for ${key}`)
    return String(values[key])
  })
  await writeFile(path, filled)
  return path
}
