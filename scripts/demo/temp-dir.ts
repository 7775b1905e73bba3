import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A fresh directory; whoever asked for it removes it. */
export function makeTempDir(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'influxdb-relay-demo-'))
}
