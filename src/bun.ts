/** The relay on Bun, and as one executable. */

import { main } from './main.ts'
import { createFetch } from './platform/bun-client.ts'
import { serveHttp } from './platform/bun-server.ts'
import { createHost } from './platform/host.ts'

void main({ ...createHost(`Bun ${Bun.version}`), createFetch, serveHttp })
