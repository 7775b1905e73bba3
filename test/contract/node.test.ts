import { contract } from './contract.ts'

contract('node', [process.execPath, 'dist/node.js'])
