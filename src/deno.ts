/** The relay on Deno. */

import { BufferPool } from './limits/buffer-pool.ts'
import { main } from './main.ts'
import { SearchableBytes } from './platform/deno-bytes.ts'
import { lockFile } from './platform/deno-file-lock.ts'
import { createUdpSender, listenUdp } from './platform/deno-udp.ts'
import { createNodeDisk } from './platform/node-disk.ts'
import { serveHttp } from './platform/node-server.ts'
import { createProgramRuntime } from './platform/program-runtime.ts'

const disk = createNodeDisk(lockFile)

void main({
  ...createProgramRuntime(`Deno ${Deno.version.deno}`),
  buffers: new BufferPool((buffer, length) => new SearchableBytes(buffer, 0, length)),
  disk,
  serveHttp,
  listenUdp,
  createUdpSender,
})
