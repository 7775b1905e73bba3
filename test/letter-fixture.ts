/** Dead letters for tests. */

import type { DeadLetter } from '../src/dead-letter.ts'
import { stamp } from '../src/stamp.ts'

/** A letter with this body, about which only what is given matters. */
export function letter(body: string, given: Partial<DeadLetter> = {}): DeadLetter {
  return {
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
