/** `npm test`: everything that a change must pass. */

import { findInfluxd } from '../test/real/influxd.ts'
import { findInfluxqlParser } from '../test/real/influxql-parser.ts'
import { findNewestNode } from '../test/real/node.ts'
import { findStrace } from '../test/real/strace.ts'
import { npm, runStages, type Step, script, tests } from './steps.ts'

const fetched: Step[] = [
  { name: 'bring influxd', run: async () => JSON.stringify(await findInfluxd()) },
  { name: 'bring the newest Node', run: findNewestNode },
  { name: "bring InfluxQL's parser", run: findInfluxqlParser },
  { name: 'bring strace', run: async () => (await findStrace()).program },
]

/** These read the repository's text, which no runtime changes. */
const TEXTS = 'test/unit/{documents,imports,mutants}.test.ts'
/** The contract tests need the other core. */
const ONE_CORE = ['--maxWorkers', '1']
const PART = ['--mode', 'quick', '--exclude', TEXTS, ...ONE_CORE]

/** Each seed of a unit test runs once, on Node. */
const calculations: Step[] = [
  npm('types and lint', 'check'),
  tests('unit tests on Node', 'node', 'unit', ...ONE_CORE),
  tests('unit tests on Bun', 'bun', 'unit', ...PART),
  tests('unit tests on Deno', 'deno', 'unit', ...PART),
  tests("against InfluxQL's parser", 'node', 'oracle'),
  script('simulation', 'scripts/simulate.ts', '--seed', '1', '--runs', '1000', '--processes', '1'),
  script('a backlog', ...['scripts/backlog.ts', '--gb', '0.125', '--runtime', 'node', '--untimed']),
]

/** These wait for processes and deadlines most of the time. */
const processes: Step[] = [
  tests('contract tests', 'node', 'contract'),
  script('relays that are killed', 'scripts/torture.ts', '--cycles', '25'),
  script('writes that are read', 'scripts/pairs.ts', '--pairs', '500'),
]

/** Every part of the bench once, on two of our runtimes. */
const measurements: Step[] = [
  script('bench, quickly', 'bench/main.ts', '--quick', '--subjects', 'bun,deno'),
]

await runStages([[[...fetched, npm('build', 'build')]], [calculations, processes], [measurements]])
