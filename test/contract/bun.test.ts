import { contract } from './contract.ts'

contract('bun', ['bun', 'run', 'src/bun.ts'])
