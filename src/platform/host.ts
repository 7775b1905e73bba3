/** What all three runtimes have in common: a host made of the node: modules that each of them brings. */

import { lookup } from 'node:dns/promises'
import { readFile } from 'node:fs/promises'
import { BufferPool } from '../limits/buffer-pool.ts'
import type { Host } from '../runtime.ts'
import { createClock } from './clock.ts'
import { gunzip, gzip } from './gzip.ts'
import { createFetch } from './http-client.ts'
import { serveHttp } from './http-server.ts'
import { createNodeDisk } from './node-disk.ts'
import { createUdpSender, listenUdp } from './node-udp.ts'

/** @param name the runtime's name and version */
export function createHost(name: string): Host {
  const buffers = new BufferPool()
  return {
    name,
    clock: createClock(Date.now, () => performance.now()),
    createFetch,
    gunzip,
    gzip,
    buffers,
    serveHttp: (fetch, options) => serveHttp(fetch, options, buffers),
    listenUdp,
    createUdpSender,
    disk: createNodeDisk(),
    args: process.argv.slice(2),
    async resolve(host) {
      const { address } = await lookup(host)
      return address
    },
    readFile: (path) => readFile(path, 'utf8'),
    maxOpenFiles,
    writeLog: (line) => process.stderr.write(`${line}\n`),
    print: (text) => process.stdout.write(text),
    printError: (text) => process.stderr.write(text),
    onSignal(callback) {
      for (const signal of ['SIGINT', 'SIGTERM'] as const)
        process.on(signal, () => callback(signal))
    },
    exit: (code) => process.exit(code),
  }
}

/** Linux tells, after the runtime has raised the soft limit to the hard one. */
async function maxOpenFiles(): Promise<number> {
  const limits = await readFile('/proc/self/limits', 'utf8').catch(() => '')
  const [, soft] = /^Max open files +(\d+)/m.exec(limits) ?? []
  return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft)
}
