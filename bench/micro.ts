/** The hot paths of the relay alone, on each runtime. */

import { join } from 'node:path'
import { run } from '../test/real/cache.ts'
import { findNode } from '../test/real/node.ts'
import type { Part } from './lab.ts'
import { bin, here, root } from './paths.ts'
import { MICRO } from './samples.ts'
import { scratchFolder } from './scratch.ts'
import { NODES } from './subjects.ts'

/** With the garbage collector exposed, so that mitata can run it between measurements. */
const RUNTIMES: Readonly<Record<string, () => Promise<string[]>>> = {
  bun: async () => [bin('bun')],
  deno: async () => [bin('deno'), 'run', '-A', '--v8-flags=--expose-gc'],
  ...Object.fromEntries(
    Object.entries(NODES).map(([name, version]) => [
      name,
      async () => [await findNode(version), '--expose-gc'],
    ]),
  ),
}

export const micro: Part = {
  name: MICRO,
  title: 'Hot paths alone, on each runtime',
  async run(lab) {
    const file = await bundle()
    const env = { ...process.env, MICRO_MS: lab.options.quick ? '20' : '300' }
    const names = lab.subjects.map(({ name }) => name)
    const arms = Object.entries(RUNTIMES)
      .filter(([subject]) => names.includes(subject))
      .map(([subject, command]) => ({ name: `${subject}, micro`, subject, command }))
    await lab.rounds(arms, async ({ subject, command }, round) => {
      const [program = '', ...args] = await command()
      const timings = JSON.parse(await run(program, [...args, file], { cwd: root, env })) as Timings
      for (const [setting, { bytes, nanoseconds }] of Object.entries(timings)) {
        const figures = { 'MB/s': (bytes / nanoseconds) * 1000, 'us each': nanoseconds / 1000 }
        lab.record({ part: MICRO, setting, subject, round, figures })
      }
    })
  },
}

type Timings = Record<string, { bytes: number; nanoseconds: number }>

/** Bundles the cases as JavaScript: Node.js 20 cannot run TypeScript. */
async function bundle(): Promise<string> {
  const outdir = await scratchFolder()
  const built = await Bun.build({
    entrypoints: [join(here, 'micro-cases.ts')],
    outdir,
    naming: 'micro-cases.mjs',
    target: 'node',
    format: 'esm',
  })
  if (!built.success) throw new AggregateError(built.logs, 'the micro-benchmarks cannot be built')
  return join(outdir, 'micro-cases.mjs')
}
