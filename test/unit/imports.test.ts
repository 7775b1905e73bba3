/** Folders of src import downwards only, and only the upper ones name a runtime. */

import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { describe, expect, test } from 'vitest'

const SRC = join(import.meta.dirname, '..', '..', 'src')

/** From top to bottom. A folder may import from itself and from the rows below its own. */
const ROWS = [
  ['bun.ts', 'deno.ts', 'node.ts', 'edge.ts'],
  ['platform', 'main.ts'],
  ['start.ts'],
  ['cli', 'http', 'udp'],
  ['config'],
  ['relay', 'query'],
  ['peers'],
  ['backend'],
  ['delivery'],
  ['segments', 'losses'],
  ['disk'],
  ['limits', 'observe'],
  ['runtime.ts'],
  ['influxdb'],
]

/** The files and folders that may name a runtime or a node: module. */
const RUNTIME_FOLDERS = ['bun.ts', 'deno.ts', 'node.ts', 'platform']

/** Where time and the network may be named: web standards alone. */
const CLOCK_FILES = ['edge.ts']

/** Packages, and the only folders that may import each. */
const PACKAGES: Record<string, readonly string[]> = {
  'bun:ffi': ['platform'],
  hono: ['http'],
  '@hono/node-server': ['platform'],
  'smol-toml': ['config'],
  valibot: ['config', 'peers'],
}

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((name) =>
  name.endsWith('.ts'),
)
const source = (file: string) => readFileSync(join(SRC, file), 'utf8')
const folderOf = (file: string) => file.split('/')[0] as string
const rowOf = (file: string) => ROWS.findIndex((row) => row.includes(folderOf(file)))

/** The files and packages that a file imports, types too. */
function importsOf(file: string): string[] {
  return [...source(file).matchAll(/^(?:import|export|\}).*? from '([^']+)'/gm)].map(([, from]) => {
    const name = from as string
    return name.startsWith('.') ? normalize(join(dirname(file), name)) : name
  })
}

describe.each(files)('%s', (file) => {
  test('stands in a folder of the list', () => {
    expect(rowOf(file)).toBeGreaterThanOrEqual(0)
  })

  test('imports only from its own folder and from below', () => {
    const own = importsOf(file).filter((name) => files.includes(name))
    const wrong = own.filter(
      (name) => folderOf(name) !== folderOf(file) && rowOf(name) <= rowOf(file),
    )
    expect(wrong).toEqual([])
  })

  test('imports only the packages of its folder', () => {
    const packages = importsOf(file).filter((name) => !/^(\.|node:)/.test(name))
    const foreign = packages.filter((name) => !files.includes(name))
    for (const name of foreign) expect(PACKAGES[name], name).toContain(folderOf(file))
  })

  if (RUNTIME_FOLDERS.includes(folderOf(file))) return

  test('knows no runtime, and no clock, network or disk', () => {
    const code = source(file).replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '')
    expect(code).not.toMatch(/\bBun\.|\bDeno\.|'node:|\bprocess\./)
    if (CLOCK_FILES.includes(file)) return
    expect(code).not.toMatch(/\bDate\.now|\bset(Timeout|Interval)\(|(?<![.\w])fetch\(|Math\.random/)
  })
})

test('no file imports itself by way of others', () => {
  const visiting: string[] = []
  const done = new Set<string>()
  const visit = (file: string) => {
    if (done.has(file)) return
    expect(visiting, `a circle: ${[...visiting, file].join(' → ')}`).not.toContain(file)
    visiting.push(file)
    for (const name of importsOf(file)) if (files.includes(name)) visit(name)
    visiting.pop()
    done.add(file)
  }
  for (const file of files) visit(file)
})
