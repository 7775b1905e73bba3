/**
 * The precision of the timestamps in a write.
 *
 * influxd 1.x knows `n`, `ns`, `u`, `ms`, `s`, `m` and `h`, and silently takes anything else for
 * nanoseconds. So does the relay.
 */

/** The precisions that a configuration file may have. */
export const PRECISIONS = ['n', 'ns', 'u', 'ms', 's', 'm', 'h'] as const

const NANOSECONDS = new Map([
  ['u', 1_000n],
  ['ms', 1_000_000n],
  ['s', 1_000_000_000n],
  ['m', 60_000_000_000n],
  ['h', 3_600_000_000_000n],
])

/**
 * A moment as the timestamp of a point, truncated to the precision as in influxd.
 *
 * @param nanoseconds since the Unix epoch
 */
export function timestampIn(precision: string, nanoseconds: bigint): string {
  const unit = NANOSECONDS.get(precision)
  return (unit === undefined ? nanoseconds : nanoseconds / unit).toString()
}
