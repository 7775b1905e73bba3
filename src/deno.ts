/** The relay on Deno. */

import { BufferPool } from './limits/buffer-pool.ts'
import { main } from './main.ts'
import { SearchableBytes } from './platform/deno-bytes.ts'
import { createUdpSender, listenUdp } from './platform/deno-udp.ts'
import { createHost } from './platform/host.ts'
import { serveHttp } from './platform/node-server.ts'

void main({
  ...createHost(`Deno ${Deno.version.deno}`),
  buffers: new BufferPool((buffer, length) => new SearchableBytes(buffer, 0, length)),
  serveHttp,
  listenUdp,
  createUdpSender,
})
