/** The relay on Deno. */

import { createUdpSender, listenUdp } from './deno-udp.ts'
import { createHost } from './host.ts'
import { main } from './main.ts'

void main({ ...createHost(`Deno ${Deno.version.deno}`), listenUdp, createUdpSender })
