import { contract } from './contract.ts'

contract(['bun', 'run', 'src/bun.ts'])
