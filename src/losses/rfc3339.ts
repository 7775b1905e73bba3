/** Timestamps in RFC 3339, UTC. */

const SECOND_NS = 1_000_000_000n

/** Like Go's RFC3339Nano: to the nanosecond, without trailing zeros. */
export function formatNanoseconds(sinceEpoch: bigint): string {
  const fraction = ((sinceEpoch % SECOND_NS) + SECOND_NS) % SECOND_NS
  const digits = fraction.toString().padStart(9, '0').replace(/0+$/, '')
  return `${wholeSeconds(sinceEpoch - fraction)}${digits === '' ? '' : `.${digits}`}Z`
}

/** Rounded down to a whole second. */
export function formatSecondBefore(sinceEpoch: bigint): string {
  const fraction = ((sinceEpoch % SECOND_NS) + SECOND_NS) % SECOND_NS
  return `${wholeSeconds(sinceEpoch - fraction)}Z`
}

/** Rounded up to a whole second. */
export function formatSecondAfter(sinceEpoch: bigint): string {
  return formatSecondBefore(sinceEpoch + SECOND_NS - 1n)
}

/** @param nanoseconds whole seconds */
function wholeSeconds(nanoseconds: bigint): string {
  return new Date(Number(nanoseconds / 1_000_000n)).toISOString().slice(0, 19)
}
