/** The relay on Bun, and as one executable. */

import { main } from './main.ts'
import { createFetch } from './platform/bun-client.ts'
import { lockFile } from './platform/bun-file-lock.ts'
import { serveHttp } from './platform/bun-server.ts'
import { createNodeDisk } from './platform/node-disk.ts'
import { createProgramRuntime } from './platform/program-runtime.ts'

const disk = createNodeDisk(lockFile)

void main({ ...createProgramRuntime(`Bun ${Bun.version}`), createFetch, disk, serveHttp })
