/**
 * The relay on web standards alone, for runtimes that have Request, Response and fetch but no node: modules.
 *
 * It cannot change how a backend's certificate is verified. When influxd copies control bytes of a bad line
 * into a header, the fetch of most runtimes reports a network error.
 */

import { BufferPool } from './limits/buffer-pool.ts'
import { createClock } from './platform/clock.ts'
import type { FetchOptions, Runtime } from './runtime.ts'

export function createEdgeRuntime(): Runtime {
  return {
    clock: createClock(Date.now, () => performance.now()),
    buffers: new BufferPool(),
    createFetch,
    createStreamingFetch: createFetch,
    gunzip,
    gzip: async (bytes) =>
      new Uint8Array(
        await new Response(
          through(new Blob([bytes as BlobPart]).stream(), new CompressionStream('gzip')),
        ).arrayBuffer(),
      ),
    // biome-ignore lint/suspicious/noConsole: the only log that the web has
    writeLog: (line) => globalThis.console.error(line),
  }
}

function createFetch({
  ca,
  skipTlsVerification,
}: FetchOptions): ReturnType<Runtime['createFetch']> {
  if (ca !== undefined || skipTlsVerification) {
    throw new Error('ca-pem and skip-tls-verification are not supported by this runtime')
  }
  return (url, init) => fetch(url, { ...init, redirect: 'manual' } as RequestInit)
}

/** Deflate makes at most 1032 bytes of one, and a runtime may give all that it makes of a piece as one chunk. */
const PIECE_BYTES = 1024

async function gunzip(bytes: Uint8Array, limit: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let total = 0
  for await (const chunk of through(piecesOf(bytes), new DecompressionStream('gzip'))) {
    total += chunk.length
    if (total > limit) throw new RangeError(`more than ${limit} bytes`)
    chunks.push(chunk)
  }
  return new Uint8Array(await new Blob(chunks as BlobPart[]).arrayBuffer())
}

function piecesOf(bytes: Uint8Array): ReadableStream<BufferSource> {
  let at = 0
  return new ReadableStream({
    pull(controller) {
      if (at < bytes.length) controller.enqueue(bytes.slice(at, at + PIECE_BYTES))
      else controller.close()
      at += PIECE_BYTES
    },
  })
}

function through(
  source: ReadableStream<BufferSource>,
  stream: CompressionStream | DecompressionStream,
): ReadableStream<Uint8Array> & AsyncIterable<Uint8Array> {
  return source.pipeThrough(stream) as ReadableStream<Uint8Array> & AsyncIterable<Uint8Array>
}
