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
  [['gaps', '-config', 'f'], { kind: 'gaps', config: 'f', json: false }],
  [['gaps', '--json', '-config=f'], { kind: 'gaps', config: 'f', json: true }],
  [['gaps', '-check', '-config', 'f'], { kind: 'mistake', message: 'unknown argument: -check' }],
  [['-json', '-config', 'f'], { kind: 'mistake', message: 'unknown argument: -json' }],
  [['-config', 'f', 'gaps'], { kind: 'mistake', message: 'unknown argument: gaps' }],
  [['-config', ''], { kind: 'mistake', message: '-config needs a file' }],
  [['-config='], { kind: 'mistake', message: '-config= needs a file' }],
  [['---config', 'f'], { kind: 'mistake', message: 'unknown argument: ---config' }],
])('the arguments %j', (args, command) => {
  expect(parseArguments(args)).toEqual(command)
})
