import { findNewestNode } from '../real/node.ts'
import { contract } from './contract.ts'

contract('node', [await findNewestNode(), 'dist/node.js'], 'small')
