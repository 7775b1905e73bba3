/**
 * Numbered writes: each line has the number of its write, so a missing, late or repeated write is
 * noticed.
 */

/** Points of a large batch of Telegraf, about 500 KB. */
const POINTS = 5_000
const DIGITS = 10

const lines = Array.from(
  { length: POINTS },
  (_, i) =>
    `cpu,host=server${String(i % 100).padStart(3, '0')},region=eu-west ` +
    `usage_user=${(i % 97).toFixed(1)},usage_system=3.25,batch=1${'0'.repeat(DIGITS)}i ` +
    `${1_700_000_000_000_000_000n + BigInt(i)}\n`,
)
const template = Buffer.from(lines.join(''))

/** The offsets at which a body has the number of its write: one in each line. */
const places: number[] = []
for (let at = template.indexOf('batch=1'); at >= 0; at = template.indexOf('batch=1', at + 1)) {
  places.push(at + 'batch=1'.length)
}

export const BATCH_BYTES = template.length

/** The body of write `number`, valid until the next call. */
export function batch(number: number): Buffer {
  const digits = String(number).padStart(DIGITS, '0')
  for (const place of places) template.write(digits, place, 'latin1')
  return template
}

/** The number in a body. */
export function numberIn(body: Buffer): number {
  const [first = 0] = places
  return Number(body.toString('latin1', first, first + DIGITS))
}
