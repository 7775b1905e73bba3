/** The relay on Bun, and as one executable. */

import { main } from './main.ts'
import { createHost } from './platform/host.ts'

void main(createHost(`Bun ${Bun.version}`))
