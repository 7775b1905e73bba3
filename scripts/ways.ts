/** The ways to run the relay, for scripts that run all of them. */

import { join } from 'node:path'

const root = join(import.meta.dir, '..')
const bin = (name: string) => join(root, 'node_modules', '.bin', name)

export const WAYS: Record<string, string[]> = {
  bun: [bin('bun'), 'run', join(root, 'src/bun.ts')],
  deno: [bin('deno'), 'run', '-A', join(root, 'src/deno.ts')],
  node: ['node', join(root, 'dist/node.js')],
  executable: [join(root, 'dist/influxdb-relay')],
}
