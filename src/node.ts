#!/usr/bin/env node
/** The relay on Node.js. */

import { createHost } from './host.ts'
import { main } from './main.ts'

void main(createHost(`Node.js ${process.versions.node}`))
