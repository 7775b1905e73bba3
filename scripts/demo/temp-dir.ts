import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A new directory, which the caller removes. */
export function makeTempDir(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'influxdb-relay-demo-'))
}
