/** Builds dist/node.js, for Node.js, and dist/influxdb-relay, one executable for this platform. */

import { chmod, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { $ } from 'bun'

const root = join(import.meta.dir, '..')
const dist = join(root, 'dist')

await rm(dist, { recursive: true, force: true })

const bundle = await Bun.build({
  entrypoints: [join(root, 'src/node.ts')],
  outdir: dist,
  target: 'node',
  format: 'esm',
})
if (!bundle.success) throw new AggregateError(bundle.logs, 'dist/node.js could not be built')
await chmod(join(dist, 'node.js'), 0o755)

// Without the last two flags the executable would run a .env or bunfig.toml of the folder it starts in.
await $`${process.execPath} build --compile --minify --bytecode --format=esm \
  --no-compile-autoload-dotenv --no-compile-autoload-bunfig \
  ${join(root, 'src/bun.ts')} --outfile ${join(dist, 'influxdb-relay')}`.quiet()
