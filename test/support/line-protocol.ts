/** Line protocol as clients write it, and as hardly any client does. The caller supplies the randomness. */

type Random = () => number

export const encode = (text: string) => new TextEncoder().encode(text)
const pick = <T>(random: Random, from: readonly T[]) =>
  from[Math.floor(random() * from.length)] as T
export const upTo = (random: Random, limit: number) => Math.floor(random() * (limit + 1))
export const repeat = (count: number, make: () => string) =>
  Array.from({ length: count }, make).join('')

const word = (random: Random) => repeat(1 + upTo(random, 9), () => pick(random, [...'azAZ059_.-#']))
const numberValue = (random: Random) =>
  pick(random, ['0', '-1.5', '.5', '12i', '3u', '1e+9', '-2E-7', '5.', String(random())])

/** A value of a field as clients write it. */
function value(random: Random): string {
  if (random() < 0.7) return numberValue(random)
  return pick(random, ['"text"', '""', '"a b, c=d"', '"a\\"b"', 't', 'FALSE', 'true'])
}

/** A point as clients write it, without its timestamp. */
export function point(random: Random): string {
  const name = random() < 0.2 ? () => `${word(random)}\\ ${word(random)}` : () => word(random)
  const tags = repeat(upTo(random, 4), () => `,${name()}=${name()}`)
  const fields = Array.from({ length: 1 + upTo(random, 3) }, () => `${name()}=${value(random)}`)
  return `m${name()}${tags} ${fields.join(',')}`
}

const timestamp = (random: Random) => `${pick(random, ['', '', '-'])}${upTo(random, 1e15)}`

/** Lines with a part missing or in the wrong position. */
export const TRICKY = [
  ...['', ' ', '\t', '#', '# m v=1', '#m v=1', '\t#m v=1', '\0#m v=1 5', ' m v=1', '\tm v=1', 'm'],
  ...['m,t=a', 'm ', 'm v', 'm v=', 'm,t v=1', 'm,=a v=1', 'm,t= v=1', ',t=a v=1', 'm,t=a=b v=1'],
  ...['m =1', 'm v=1,', 'm v=1,w', 'm v=1,w=', 'm v=1,=2', 'm v=1 5=', 'm v=1 5,a=b', 'm v=1 a=b'],
  ...['m v=+1', 'm v=e1', 'm v=1x', 'm v=1U', 'm v=1u', 'm v=t', 'm v=tru', 'm v=trueish'],
  ...['m v=1,w=TRUE', 'm v=1 ', 'm v=1\t', 'm v=1 \t', 'm v=1 \0', 'm v=1  5', 'm v=1 5 '],
  ...['m v=1 5\t', 'm v=1 5\r', 'm v=1 x', 'm v=1 x 5', 'm v=1 5 6', 'm v=1 -', 'm v=1 --5'],
  ...['m v=1 5 6 7', 'm  v=1', 'm v=1\r', 'm v=1\\', 'm v=1 5\\', 'm v=1\\ 5', 'm v=1 x\\ 5'],
  ...['m\\,t=a v=1', 'm\\\\,t=a v=1', 'm\\ v=1', 'm,t=a\\ b v=1', 'm,t=a\\\\ b v=1'],
  ...['m,t=a\\\\\\ b v=1', 'm a\\=b=1', 'm a\\\\=b=1', 'm\\ v=1 5', 'm v="', 'm v=""', 'm v="" 5'],
  ...['m v="a', 'm v="a b" 5', 'm v="a\nb"', 'm v="a\nb" 5', 'm v="\\"', 'm v="\\\\"'],
  ...['m v="\\\\" 5', 'm v="a\\\\",w=",x="b" 5', 'm v="a\\\\",w=",x="b"', 'm v="\\\n"', 'm v=""1'],
  ...['m v=""x', 'm v=""true', 'm v=""x 5', 'm v="a"b"c" 5', 'm v=1"a"', 'm v=1"a" 5', 'm a"b"=1'],
  ...['m a"b=1', 'm a"b c"=1', 'm "v"=1 5', 'm a,b="x=1=2" 5', 'm a,b="x"', 'm v="a",b"c=1'],
  ...['m,t="a" v=1', 'm,t="a b" v=1', 'm,t="a v=1', 'm,t="a v="b" 5', '"m" v=1', 'm,t="a=b" v=1 5'],
  ...['m,t=a\\,b=c v=1'],
  `m v="${'x'.repeat(70)} 5\nm v=1 5\nm v=${'x'.repeat(70)}" 5`,
]

const PIECES = [
  ...['m', 'v', '1', 't', ',', '=', ' ', '"', '\\', '\t', '\0', '#', '\n', ' 5', '="', '",', ',w='],
]

/** A line with some pieces put in or taken out. */
function mangled(random: Random, line: string): string {
  let text = line
  for (let i = upTo(random, 4); i > 0; i--) {
    const position = upTo(random, text.length)
    const taken = random() < 0.4 ? 1 : 0
    text =
      text.slice(0, position) +
      (random() < 0.7 ? pick(random, PIECES) : '') +
      text.slice(position + taken)
  }
  return text
}

/** What hardly any client sends. */
function oddity(random: Random): string {
  const kind = random()
  if (kind < 0.4) return pick(random, TRICKY)
  if (kind < 0.8) return mangled(random, random() < 0.5 ? point(random) : pick(random, TRICKY))
  if (kind < 0.9) return repeat(upTo(random, 14), () => pick(random, PIECES))
  return `${point(random)} ${'123'.repeat(upTo(random, 25))}`
}

/** A body of points mostly with timestamps, then mostly without, or the reverse; some lines are odd. */
export function body(random: Random, lines: number): Uint8Array {
  const strange = pick(random, [0, 0, 0.02, 0.3, 1])
  let stamped = random() < 0.5
  const text = Array.from({ length: lines }, () => {
    if (random() < 0.05) stamped = !stamped
    if (random() < strange) return oddity(random)
    return stamped ? `${point(random)} ${timestamp(random)}` : point(random)
  })
  const bytes = encode(text.join('\n') + pick(random, ['', '\n', '\n', '\n\n', ' \n', '\\']))
  return random() < 0.5 ? bytes : corrupted(random, bytes)
}

/** Some bytes become others, not all of them of UTF-8. */
function corrupted(random: Random, bytes: Uint8Array): Uint8Array {
  const others = [0, 9, 13, 0x80, 0xff, ...encode(' ,="\\\n#-+0aetT')]
  for (let i = upTo(random, 3); i > 0; i--) {
    bytes[upTo(random, bytes.length - 1)] = pick(random, others)
  }
  return bytes
}
