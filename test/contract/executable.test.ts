import { contract } from './contract.ts'

contract(['dist/influxdb-relay'])
