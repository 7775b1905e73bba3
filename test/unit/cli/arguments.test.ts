import { expect, test } from 'vitest'
import { parseArguments } from '../../../src/cli/arguments.ts'

test.each([
  [['-config', 'f'], { kind: 'run', config: 'f' }],
  [['--config', 'f'], { kind: 'run', config: 'f' }],
  [['-config=a=b'], { kind: 'run', config: 'a=b' }],
  [['-check', '-config', 'f'], { kind: 'check', config: 'f' }],
  [['-version'], { kind: 'version' }],
  [['-h'], { kind: 'help' }],
  [[], { kind: 'mistake', message: 'missing argument: -config FILE' }],
  [['-config'], { kind: 'mistake', message: '-config needs a file' }],
  [['-config', 'f', 'g'], { kind: 'mistake', message: 'unknown argument: g' }],
  [['-check=no', '-config', 'f'], { kind: 'mistake', message: 'unknown argument: -check=no' }],
])('%j', (args, command) => {
  expect(parseArguments(args)).toEqual(command)
})
