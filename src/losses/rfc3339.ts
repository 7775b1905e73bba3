/** Moments as RFC 3339 writes them, in UTC. */

const SECOND_NS = 1_000_000_000n

/** As Go's RFC3339Nano: to the nanosecond, without zeros at the end of the fraction. */
export function formatNanoseconds(sinceEpoch: bigint): string {
  const fraction = ((sinceEpoch % SECOND_NS) + SECOND_NS) % SECOND_NS
  const digits = fraction.toString().padStart(9, '0').replace(/0+$/, '')
  return `${wholeSeconds(sinceEpoch - fraction)}${digits === '' ? '' : `.${digits}`}Z`
}

/** The last whole second that is not after the moment. */
export function formatSecondBefore(sinceEpoch: bigint): string {
  const fraction = ((sinceEpoch % SECOND_NS) + SECOND_NS) % SECOND_NS
  return `${wholeSeconds(sinceEpoch - fraction)}Z`
}

/** The first whole second that is not before the moment. */
export function formatSecondAfter(sinceEpoch: bigint): string {
  return formatSecondBefore(sinceEpoch + SECOND_NS - 1n)
}

/** @param nanoseconds whole seconds */
function wholeSeconds(nanoseconds: bigint): string {
  return new Date(Number(nanoseconds / 1_000_000n)).toISOString().slice(0, 19)
}
