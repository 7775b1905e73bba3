/** What Bun, Deno and Node.js have in common: the node: modules, which each of them implements. */

import { lookup } from 'node:dns/promises'
import { readFile } from 'node:fs/promises'
import { setDefaultHighWaterMark } from 'node:stream'
import { BufferPool } from '../limits/buffer-pool.ts'
import type { ProgramRuntime } from '../runtime.ts'
import { createClock } from './clock.ts'
import { gunzip, gzip } from './gzip.ts'
import { createFetch } from './http-client.ts'
import { createNodeDisk } from './node-disk.ts'
import { createUdpSender, listenUdp } from './node-udp.ts'

/**
 * Streams of messages stop their socket once they hold so many bytes. A read of a socket brings up to 64 KB,
 * so a smaller number changes nothing for long chunks. In chunks of one byte, each of which takes half a
 * kilobyte of memory, the 64 KB that are the default of Deno and of Node.js since 22 would be six reads.
 */
const HIGH_WATER_MARK_BYTES = 8 * 1024

/**
 * A runtime without an HTTP server, which the entry adds.
 *
 * @param name the runtime's name and version
 */
export function createProgramRuntime(name: string): Omit<ProgramRuntime, 'serveHttp'> {
  setDefaultHighWaterMark(false, HIGH_WATER_MARK_BYTES)
  return {
    name,
    clock: createClock(Date.now, () => performance.now()),
    createFetch,
    createStreamingFetch: createFetch,
    gunzip,
    gzip,
    buffers: new BufferPool(),
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

/** On Linux the soft limit, which each runtime raises to the hard one at its start; elsewhere infinite. */
async function maxOpenFiles(): Promise<number> {
  const limits = await readFile('/proc/self/limits', 'utf8').catch(() => '')
  const [, soft] = /^Max open files +(\d+)/m.exec(limits) ?? []
  return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft)
}
