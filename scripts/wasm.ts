/**
 * Compiles assembly/ into src/plain-lines.wasm.ts, whose bytes run wherever the source runs, without
 * a build. With --check it only tells whether they are what the source compiles to.
 */

import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import asc from 'assemblyscript/asc'

const root = join(import.meta.dir, '..')
const file = join(root, 'src', 'plain-lines.wasm.ts')
const LINE = 92

const OPTIONS = [
  ...['-O3', '--converge', '--noAssert', '--runtime', 'stub', '--enable', 'simd'],
  ...['--initialMemory', '4', '--maximumMemory', '4'],
  // Vectors as parameters: the functions that have them are not called from outside.
  ...['--disableWarning', '112'],
]

async function compile(): Promise<Uint8Array> {
  let binary: Uint8Array | undefined
  const { error, stderr } = await asc.main(
    ['assembly/main.ts', '--baseDir', root, '--outFile', 'out.wasm', ...OPTIONS],
    {
      writeFile: (_, contents) => {
        binary = contents as Uint8Array
      },
    },
  )
  if (error || !binary) throw new Error(`assembly/ does not compile\n${stderr}`, { cause: error })
  return binary
}

function moduleOf(binary: Uint8Array): string {
  const text = Buffer.from(binary).toString('base64')
  const lines = text.match(new RegExp(`.{1,${LINE}}`, 'g')) ?? []
  return [
    '/** Made out of assembly/ by `npm run wasm`: WebAssembly, in base64. */',
    '',
    'export const WASM = [',
    ...lines.map((line) => `  '${line}',`),
    "].join('')",
    '',
  ].join('\n')
}

const made = moduleOf(await compile())
if (!process.argv.includes('--check')) {
  await writeFile(file, made)
} else if (made !== (await readFile(file, 'utf8'))) {
  console.error('src/plain-lines.wasm.ts is not what assembly/ compiles to: run `npm run wasm`')
  process.exit(1)
}
