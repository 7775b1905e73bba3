#!/usr/bin/env node
/** The relay on Node.js. */

import { setFlagsFromString } from 'node:v8'
import { main } from './main.ts'
import { createHost } from './platform/host.ts'

// V8 lets old objects grow to several times of what lives before it looks for garbage among them. With one
// backend 50 ms away, whose writes live long enough to grow old, that is 30 MB and more; to look after they
// have grown by half takes little time, as few live. V8 reads this after each collection, so that it may be
// set while V8 runs; the size of the young generation is for the command line alone.
setFlagsFromString('--heap-growing-percent=50')

void main(createHost(`Node.js ${process.versions.node}`))
