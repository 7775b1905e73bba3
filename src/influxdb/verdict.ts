/** What an InfluxDB server's answer to a write means. */

import { type Answer, messageOf } from './answer.ts'

/**
 * - `stored`: the backend has the write.
 * - `rejected`: the backend will never take this write. Some of its points may be stored all the same.
 * - `too-large`: the backend may take a smaller write.
 * - `unready`: the server lacks what only an operator can give it: a database, a retention policy, a
 *   user.
 * - `failed`: the server cannot take writes now.
 */
export type Verdict = 'stored' | 'rejected' | 'too-large' | 'unready' | 'failed'

/**
 * A 400, 413 or 422 says something about the write, any other error something about the server.
 *
 * influxd 1.x answers 500 for two causes that a retry does not cure: an unknown retention policy, and a
 * name that is not UTF-8. It sometimes reports the second for the write after the bad one as well, and
 * takes that write when it comes again. So only a write that is not UTF-8 is rejected for it.
 *
 * @param sent the line protocol that was answered
 */
export function verdictOf(answer: Answer, sent: Uint8Array): Verdict {
  const { status } = answer
  if (status >= 200 && status < 300) return 'stored'
  if (status === 413) return 'too-large'
  if (status === 400 || status === 422) return 'rejected'
  if (status === 408 || status === 429) return 'failed'
  if (status > 400 && status < 500) return 'unready'
  if (status === 500) {
    const message = messageOf(answer)
    if (message.includes('retention policy not found')) return 'unready'
    if (message.includes('contains invalid UTF-8') && !isUtf8(sent)) return 'rejected'
  }
  return 'failed'
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return true
  } catch {
    return false
  }
}
