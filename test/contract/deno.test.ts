import { contract } from './contract.ts'

contract('deno', ['deno', 'run', '-A', 'src/deno.ts'])
