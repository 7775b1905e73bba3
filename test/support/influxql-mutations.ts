/** Hostile changes to InfluxQL. */

const PIECES = [
  ...[
    ';',
    "'",
    '"',
    '/',
    '\\',
    '--',
    '/*',
    '*/',
    '/**/',
    '\n',
    '\r',
    '\r\n',
    ' ',
    '\t',
    '.',
    '..',
    ':',
    '::',
  ],
  ...[
    '(',
    ')',
    ',',
    '=',
    '=~',
    '!~',
    '<',
    '>=',
    '-',
    '+',
    '*',
    '$',
    '$x',
    '$d',
    '$m',
    '$r',
    '5',
    '5h',
    '.5',
    '1.',
  ],
  ...[
    ' INTO x',
    ' INTO x.y.z ',
    ' FROM ',
    ' FROM a.b.c',
    ' ON ',
    ' ON other',
    ' AS ',
    ' WHERE ',
    ' GROUP BY ',
  ],
  ...[
    'SELECT ',
    'SELECT x FROM ',
    'SHOW ',
    'EXPLAIN ',
    'EXPLAIN ANALYZE ',
    'DROP ',
    ' BY ',
    ' AND ',
    ' OR ',
  ],
  ...[
    '; DROP DATABASE x',
    ';DELETE FROM m;',
    'DROP DATABASE x;',
    "';DROP DATABASE x;'",
    '/;DROP DATABASE x;/',
  ],
  ...[
    './x/',
    '/x/',
    '/a;b/',
    './a;b/',
    '"a;b"',
    "'a;b'",
    '-- a;b\n',
    '/* a;b */',
    '\\/',
    "\\'",
    '\\"',
    '\\n',
  ],
  ...[
    'now()',
    'time',
    'time < 5',
    ' time > now() ',
    'time(1h)',
    ' fill(0)',
    " tz('UTC')",
    ' LIMIT 1',
  ],
  ...[
    'a.b.',
    '"a".',
    '(SELECT a FROM b)',
    '(SELECT a INTO b FROM c)',
    'true',
    'µ',
    'é',
    '\0',
    '\ufffd',
    '🦀',
  ],
]

const NAMES = [
  '"a;b"',
  '"a/b"',
  '"\'"',
  '"\\""',
  '"--"',
  '"/*"',
  '"INTO"',
  '"FROM"',
  '"a" ',
  'a"b"',
  '$m',
  'a. b',
  'a./b',
  'a./b;c/',
  '"now()"',
  'time',
]
const STRINGS = [
  "';'",
  "'/'",
  "'\\''",
  "'\\\\'",
  "'\"'",
  "'--'",
  "'/*'",
  "' INTO x'",
  "'; DROP DATABASE x; '",
  "'now()'",
  "''",
]
const REGEXES = [
  '/;/',
  '/\\//',
  '/\\\\/',
  "/'/",
  '/"/',
  '//',
  '/--/',
  '/ INTO x/',
  '/; DROP DATABASE x; /',
  '/(?i)a;b/',
]
const SPACES = [
  '\n',
  '\t',
  '\r\n',
  ' -- ;\n',
  '--\r',
  ' /* ; */ ',
  '/**/',
  "/* ' */",
  ' /* / */ ',
  '/* INTO x */',
  '--"\n',
]
const BETWEEN = [';', '; ', ' ;', ';;\n', '; -- x\n', ' /* x */ ; ', ';--\r']

/** One of some texts, or several of them joined, changed so that most stay valid, or in any way. */
export function mutateInfluxql(texts: readonly string[], random: () => number): string {
  const pick = <T>(list: readonly T[]) => list[Math.floor(random() * list.length)] as T
  /** Replaces some of the matches. */
  const replace = (text: string, what: RegExp, by: readonly string[], share = 0.3) =>
    text.replace(what, (match) => (random() < share ? pick(by) : match))
  const place = (text: string) => {
    const boundaries = [...text.matchAll(/\b|(?=\W)/g)].map(({ index }) => index)
    const isBoundary = random() < 0.8 && boundaries.length > 0
    return isBoundary ? pick(boundaries) : Math.floor(random() * (text.length + 1))
  }
  let text = pick(texts)
  while (random() < 0.3) text += pick(BETWEEN) + pick(texts)
  if (random() < 0.4) text = replace(text, / /g, SPACES)
  if (random() < 0.4) text = replace(text, /'[a-z]*'/g, STRINGS)
  if (random() < 0.4) text = replace(text, /(?<=~ ?)\/[a-z]*\//g, REGEXES)
  if (random() < 0.3) text = replace(text, /(?<=[ ,.(])[a-z]{1,5}\b/g, NAMES, 0.1)
  if (random() < 0.2)
    text = replace(text, /(?<=(?:FROM|,) )[a-z]+\b/gi, [
      '/x;y/',
      'a.b.c',
      'a../x/',
      'b./;/',
      '(SELECT a INTO b FROM c.d.e)',
    ])
  if (random() < 0.2)
    text = text.replace(/[a-z]+/gi, (word) => (random() < 0.2 ? word.toUpperCase() : word))
  while (random() < 0.3) {
    const [start = 0, end = 0] = [place(text), place(text)].sort((a, b) => a - b)
    const removed = Math.min(end - start, Math.floor(random() * 6))
    const added = random() < 0.1 ? text.slice(start, end) : random() < 0.8 ? pick(PIECES) : ''
    text = text.slice(0, start) + added + text.slice(start + removed)
  }
  return text
}
