/**
 * The precision of timestamps in a write, and "now" in it.
 *
 * influxd 1.x knows `n`, `ns`, `u`, `ms`, `s`, `m` and `h`, and silently takes anything else for
 * nanoseconds; so does the relay.
 */

/** The precisions that may stand in a configuration file. */
export const PRECISIONS = ['n', 'ns', 'u', 'ms', 's', 'm', 'h'] as const

const NANOSECONDS = new Map([
  ['u', 1_000n],
  ['ms', 1_000_000n],
  ['s', 1_000_000_000n],
  ['m', 60_000_000_000n],
  ['h', 3_600_000_000_000n],
])

/**
 * A moment as the timestamp of a point, truncated to the precision as influxd does it.
 *
 * @param nanoseconds since the Unix epoch
 */
export function timestampIn(precision: string, nanoseconds: bigint): string {
  const unit = NANOSECONDS.get(precision)
  return (unit === undefined ? nanoseconds : nanoseconds / unit).toString()
}
