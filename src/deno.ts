/** The relay on Deno. */

import { main } from './main.ts'
import { createUdpSender, listenUdp } from './platform/deno-udp.ts'
import { createHost } from './platform/host.ts'
import { serveHttp } from './platform/node-server.ts'

void main({ ...createHost(`Deno ${Deno.version.deno}`), serveHttp, listenUdp, createUdpSender })
