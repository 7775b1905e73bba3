/** Queries that read, and the ways to send each of them. */

import type { RequestOptions } from './client.ts'

const T = 1_700_000_000_000_000_000n

/** Points of every type, with names and strings that need escapes, and one measurement with many rows. */
export const POINTS: readonly string[] = [
  `cpu,host=a,region=x value=1,n=2i,s="he\\"llo",b=t ${T}`,
  `cpu,host=b value=2.5,n=9223372036854775807i ${T + 1_123_456_789n}`,
  `cpu,host=a,region=y value=-0,n=-1i,s="",b=f ${T + 60_000_000_000n}`,
  `mem,host=a used=1e300 ${T}`,
  `we\\ ird\\,name,t\\ ag=v\\=1 f\\ ield="ünï \\"code\\" \\\\ ,=" ${T}`,
  ...Array.from({ length: 250 }, (_, i) => `many,k=${i % 5} v=${i},w=${i}i ${T + BigInt(i)}`),
]

/** All that a server without special data can be asked, without answers that change by themselves. */
const STATEMENTS: readonly string[] = [
  'SELECT * FROM cpu',
  'SELECT value FROM cpu',
  'SELECT * FROM cpu GROUP BY host',
  'SELECT * FROM cpu GROUP BY *',
  'SELECT "value", n FROM "cpu" WHERE host = \'a\'',
  'SELECT value FROM cpu WHERE host =~ /^[ab]$/ AND region !~ /z|\'|"/',
  'SELECT mean(value), max(n), count(s) FROM cpu',
  'SELECT mean(value) FROM cpu WHERE time >= 1700000000s AND time < 1700000003s GROUP BY time(1s) fill(null)',
  'SELECT sum(v) FROM many GROUP BY k',
  'SELECT v FROM many WHERE v > 240 ORDER BY time DESC',
  'SELECT v FROM many LIMIT 3 OFFSET 2',
  'SELECT v FROM many GROUP BY k LIMIT 1 SLIMIT 2 SOFFSET 1',
  "SELECT derivative(v, 1us), moving_average(v, 2) FROM many WHERE k = '1' LIMIT 5",
  'SELECT percentile(v, 90), stddev(v), distinct(k::tag) FROM many',
  'SELECT top(v, 3), k FROM many',
  'SELECT v + w * 2 - v / 3 % 2 FROM many LIMIT 4',
  'SELECT mean(m) FROM (SELECT max(v) AS m FROM many GROUP BY k)',
  'SELECT count(*) FROM /c.*|m/',
  'SELECT * FROM cpu, mem',
  'SELECT * FROM "we ird,name"',
  'SELECT * FROM nothing',
  'SELECT * FROM DB.autogen.cpu',
  'SELECT * FROM DB..mem',
  'SELECT * FROM other.autogen.cpu',
  'SELECT * FROM nowhere.autogen.cpu',
  'SELECT * FROM DB.nopolicy.cpu',
  'SELECT value FROM cpu; SELECT used FROM mem',
  'SELECT value FROM cpu; SELECT * FROM nowhere..x; SHOW DATABASES',
  'SELECT value FROM cpu WHERE time > now() - 100000h',
  'SELECT value /* INTO x */ FROM cpu -- ; DROP DATABASE y',
  "SELECT 'INTO' FROM cpu",
  'SELECT badfunction(value) FROM cpu',
  "SELECT value FROM cpu WHERE time > 0 tz('Europe/Berlin')",
  'EXPLAIN SELECT value FROM cpu',
  'SHOW DATABASES',
  'SHOW MEASUREMENTS',
  'SHOW MEASUREMENTS ON DB LIMIT 2',
  "SHOW MEASUREMENTS ON DB WITH MEASUREMENT =~ /c.*/ WHERE host = 'a'",
  'SHOW RETENTION POLICIES',
  'SHOW RETENTION POLICIES ON DB',
  'SHOW RETENTION POLICIES ON nowhere',
  'SHOW TAG KEYS',
  'SHOW TAG KEYS ON DB FROM cpu',
  'SHOW TAG VALUES FROM cpu WITH KEY = host',
  'SHOW TAG VALUES WITH KEY IN (host, region)',
  'SHOW FIELD KEYS',
  'SHOW FIELD KEYS ON DB FROM mem',
  'SHOW SERIES',
  "SHOW SERIES ON DB FROM cpu WHERE host = 'a' LIMIT 1",
  'SHOW SERIES CARDINALITY',
  'SHOW SERIES EXACT CARDINALITY ON DB',
  'SHOW MEASUREMENT CARDINALITY',
  'SHOW USERS',
  'SHOW SUBSCRIPTIONS',
  'SHOW CONTINUOUS QUERIES',
  ';',
  '',
]

export interface QueryCase extends RequestOptions {
  readonly path: string
}

/** A way to send a statement. */
type Way = (q: string) => QueryCase

const FORM = 'application/x-www-form-urlencoded'

const url = (q: string, parameters = '', db = 'DB') => {
  const database = db === '' ? '' : `db=${db}&`
  return `/query?${database}q=${encodeURIComponent(q)}${parameters}`
}

const get =
  (parameters = '', headers: Record<string, string> = {}): Way =>
  (q) => ({ path: url(q, parameters), headers })

const post: Way = (q) => ({ path: url(q), method: 'POST' })

const form: Way = (q) => ({
  path: '/query?epoch=ms',
  method: 'POST',
  headers: { 'content-type': FORM },
  body: `q=${encodeURIComponent(q).replaceAll('%20', '+')}&db=DB&chunked=true`,
})

const upload: Way = (q) => ({
  path: '/query?db=DB&epoch=u',
  method: 'POST',
  headers: { 'content-type': 'multipart/form-data; boundary=B' },
  body: `--B\r\nContent-Disposition: form-data; name="q"; filename="x.iql"\r\n\r\n${q}\r\n--B--\r\n`,
})

/** Each statement is sent in some of these ways, and each way has many statements. */
const WAYS: readonly Way[] = [
  get(),
  get('&epoch=ns'),
  get('&pretty=true'),
  get('&chunked=true'),
  get('&chunked=true&chunk_size=2&epoch=s'),
  get('', { accept: 'application/csv' }),
  get('&chunked=true&chunk_size=7', { accept: 'text/csv' }),
  get('', { accept: 'application/x-msgpack' }),
  get('&epoch=h', { 'accept-encoding': 'gzip' }),
  get('&chunked=true&chunk_size=50', { 'accept-encoding': 'gzip' }),
  get('&rp=autogen&epoch=xyz', { accept: 'text/html' }),
  post,
  form,
  upload,
]

/** Requests whose answers are worth a look for another reason. */
const SPECIAL: readonly QueryCase[] = [
  { path: '/query' },
  { path: '/query', method: 'POST' },
  { path: '/query?q=' },
  { path: '/query?q=+' },
  { path: '/query?q=SHOW%20DATABASES;db=x' },
  { path: url('SELECT * FROM cpu', '', '') },
  { path: url('SELECT * FROM cpu', '', 'nowhere') },
  { path: url('SELECT * FROM cpu; SHOW DATABASES', '', 'nowhere') },
  { path: url('SELECT * FROM cpu; SHOW DATABASES', '&chunked=true', 'nowhere') },
  { path: url('SELECT value FROM cpu', '&rp=nope') },
  { path: url('SELECT value FROM cpu WHERE host=$h', '&params=%7B%22h%22%3A%22a%22%7D') },
  { path: url('SELECT value FROM cpu WHERE host=$h', '&params=%7B') },
  { path: url('SELECT value FROM cpu WHERE host=$h') },
  { path: url('SHOW DATABASES', '&async=true'), method: 'POST' },
  { path: url('SHOW DATABASES', '&q=SHOW+USERS') },
  {
    path: '/query?q=SHOW+DATABASES',
    method: 'POST',
    headers: { 'content-type': FORM },
    body: 'q=SHOW+USERS',
  },
  { path: '/query', method: 'POST', body: 'q=SHOW+DATABASES' },
  {
    path: '/query',
    method: 'POST',
    headers: { 'content-type': `${FORM}; charset=utf-8` },
    body: 'q=SHOW+DATABASES&u=x',
  },
  { path: url(`SELECT value FROM cpu WHERE host = '${'x'.repeat(60_000)}'`) },
  { path: url(`SELECT value FROM cpu WHERE host =~ /${'a|b|'.repeat(3000)}c/`) },
  { path: url("SELECT value FROM cpu WHERE s = 'ünï'") },
  { path: '/query?db=DB&q=SELECT+value+FROM+cpu+WHERE+s+%3D+%27%ff%27' },
]

/** At least 150 requests that read from a database. */
export function queryCases(database: string): QueryCase[] {
  const ways = STATEMENTS.flatMap((statement, i) =>
    // Three ways for each, other ones for the next.
    [0, 5, 9].map((offset) => (WAYS[(i + offset) % WAYS.length] as Way)(statement)),
  )
  return [...ways, ...SPECIAL].map((one) => {
    const named = (text: string) => text.replaceAll('DB', database)
    const body = typeof one.body === 'string' ? { body: named(one.body) } : {}
    return { ...one, path: named(one.path), ...body }
  })
}
