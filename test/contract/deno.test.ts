import { contract } from './contract.ts'

contract(['deno', 'run', '-A', 'src/deno.ts'])
