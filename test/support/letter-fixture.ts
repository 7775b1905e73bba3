/** Dead letters for tests. */

import { stamp } from '../../src/influxdb/stamp.ts'
import type { DeadLetter } from '../../src/losses/dead-letter-format.ts'

/** A letter with this body. The rest is arbitrary, except what is given. */
export function letter(body: string, given: Partial<DeadLetter> = {}): DeadLetter {
  return {
    kind: 'points',
    backend: 'influx2',
    database: 'telegraf',
    retentionPolicy: '',
    precision: 's',
    status: 400,
    message: 'field type conflict',
    points: stamp(new TextEncoder().encode(body), () => '5'),
    at: 1_700_000_000_123,
    ...given,
  }
}
