import { contract } from './contract.ts'

contract([process.execPath, 'dist/node.js'])
