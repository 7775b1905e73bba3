import { findNewestNode } from '../real/node.ts'
import { contract } from './contract.ts'

contract([await findNewestNode(), 'dist/node.js'])
