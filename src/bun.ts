/** The relay on Bun, and as one executable. */

import { createHost } from './host.ts'
import { main } from './main.ts'

void main(createHost(`Bun ${Bun.version}`))
