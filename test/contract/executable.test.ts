import { contract } from './contract.ts'

contract('bun', ['dist/influxdb-relay'], 'small')
