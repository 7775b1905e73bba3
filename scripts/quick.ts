/** `npm run quick`: what to run before each commit. */

import { npm, runStages, script, tests } from './steps.ts'

await runStages([
  [
    [
      npm('types and lint', 'check'),
      script('simulation', 'scripts/simulate.ts', '--runs', '50', '--processes', '1'),
    ],
    [tests('unit tests on Node', 'node', 'unit', '--mode', 'quick')],
  ],
])
