import { ANSWERS } from './answers.ts'
import { CHANGES } from './changes.ts'
import { DELIVERY } from './delivery.ts'
import { DISK } from './disk.ts'
import type { Mutant } from './mutant.ts'
import { PEERS } from './peers.ts'
import { QUERIES } from './queries.ts'

export const MUTANTS: readonly Mutant[] = [
  ...ANSWERS,
  ...CHANGES,
  ...DELIVERY,
  ...DISK,
  ...PEERS,
  ...QUERIES,
]
