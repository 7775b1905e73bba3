/**
 * Builds dist/node.js, for Node.js, and dist/influxdb-relay, one executable for this platform:
 *
 *     npm run build
 *     npm run build -- linux-x64 linux-arm64      also dist/influxdb-relay-linux-x64 and so on
 *
 * Bun fetches what it needs for other platforms from the npm registry.
 */

import { chmod, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { $ } from 'bun'

const TARGETS = ['linux-x64', 'linux-arm64']

const root = join(import.meta.dir, '..')
const dist = join(root, 'dist')

async function buildForNode(): Promise<void> {
  const bundle = await Bun.build({
    entrypoints: [join(root, 'src/node.ts')],
    outdir: dist,
    target: 'node',
    format: 'esm',
  })
  if (!bundle.success) throw new AggregateError(bundle.logs, 'dist/node.js could not be built')
  await chmod(join(dist, 'node.js'), 0o755)
}

/** @param target by default this platform */
async function buildExecutable(target?: string): Promise<void> {
  const outfile = join(dist, target === undefined ? 'influxdb-relay' : `influxdb-relay-${target}`)
  const platform = target === undefined ? [] : [`--target=bun-${target}`]
  // Without the last two flags the executable would run a .env or bunfig.toml of the folder it starts in.
  const built = await $`${process.execPath} build --compile --minify --bytecode --format=esm \
    --no-compile-autoload-dotenv --no-compile-autoload-bunfig ${platform} \
    ${join(root, 'src/bun.ts')} --outfile ${outfile}`
    .quiet()
    .nothrow()
  if (built.exitCode === 0) return
  const hint =
    target === undefined
      ? ''
      : `\nBun fetches its executable for ${target} from the npm registry, which must be reachable.`
  throw new Error(`${outfile} could not be built:\n${built.stderr.toString().trim()}${hint}`)
}

try {
  const targets = process.argv.slice(2)
  const unknown = targets.find((target) => !TARGETS.includes(target))
  if (unknown !== undefined) {
    throw new Error(`There is no target ${unknown}; there are ${TARGETS.join(' and ')}.`)
  }
  await rm(dist, { recursive: true, force: true })
  await buildForNode()
  await buildExecutable()
  for (const target of targets) await buildExecutable(target)
} catch (error) {
  console.error(error instanceof AggregateError ? error : (error as Error).message)
  process.exit(1)
}
