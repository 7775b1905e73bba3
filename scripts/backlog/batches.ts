/** Writes whose every line says which write it is in, so that one that is missing, late or twice shows. */

/** As many points as Telegraf can be told to send at a time, about 500 KB. */
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

/** Where the number of a write goes: one place in each line. */
const places: number[] = []
for (let at = template.indexOf('batch=1'); at >= 0; at = template.indexOf('batch=1', at + 1)) {
  places.push(at + 'batch=1'.length)
}

export const BATCH_BYTES = template.length

/** The body of write `number`. Good until the next call. */
export function batch(number: number): Buffer {
  const digits = String(number).padStart(DIGITS, '0')
  for (const place of places) template.write(digits, place, 'latin1')
  return template
}

/** The number that a body says it has. */
export function numberIn(body: Buffer): number {
  const [first = 0] = places
  return Number(body.toString('latin1', first, first + DIGITS))
}
