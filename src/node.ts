#!/usr/bin/env node
/** The relay on Node.js. */

import { setFlagsFromString } from 'node:v8'
import { BufferPool } from './limits/buffer-pool.ts'
import { main } from './main.ts'
import { serveHttp } from './platform/node-server.ts'
import { createProgramRuntime } from './platform/program-runtime.ts'

// By default V8 lets the old generation grow to several times its live size before it collects it. With one
// backend 50 ms away, whose writes live long enough to be promoted, that is 30 MB and more. Collecting at
// 1.5 times is cheap, because little is alive. V8 reads the flag after each collection, so that it can be set
// here; the size of the young generation can be set on the command line only.
setFlagsFromString('--heap-growing-percent=50')

void main({
  ...createProgramRuntime(`Node.js ${process.versions.node}`),
  // A search in a Buffer is native code on Node.js, and several times as fast as in a Uint8Array.
  buffers: new BufferPool((buffer, length) => Buffer.from(buffer, 0, length)),
  serveHttp,
})
