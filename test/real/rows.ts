/** Sends a query about a database to influxd and returns the text of its answer. */
export type Ask = (q: string, db: string) => Promise<string>

/** A cell of an answer, once numbers are strings. */
type Cell = string | boolean | null
type Series = { name: string; tags?: Record<string, string>; columns: string[]; values: Cell[][] }
type Field = { name: string; type: string }

/**
 * Reads every point of a database, whatever its retention policy and measurement, as sorted lines
 * that two servers share exactly when they hold the same points. Each line has one field:
 *
 *     autogen cpu,host=a usage=1i 1500000000000000000
 *
 * It is line protocol behind the name of the retention policy, but stricter, so that no two
 * different points look alike: backslashes are escaped too, and strings are written as in JSON.
 */
export async function readRows(ask: Ask, db: string, measurement?: string): Promise<string[]> {
  const rows: string[][] = []
  for (const policy of await retentionPolicies(ask, db)) {
    for (const [name, fields] of await fieldsByMeasurement(ask, db, policy)) {
      if (measurement !== undefined && name !== measurement) continue
      rows.push(await rowsOf(ask, db, policy, name, fields))
    }
  }
  return rows.flat().sort()
}

async function retentionPolicies(ask: Ask, db: string): Promise<string[]> {
  const series = await answer(ask, db, `SHOW RETENTION POLICIES ON ${identifier(db)}`)
  return series.flatMap(({ values }) => values.map(([name]) => String(name)))
}

/** Without a policy in its FROM, SHOW FIELD KEYS covers only the default one. */
async function fieldsByMeasurement(
  ask: Ask,
  db: string,
  policy: string,
): Promise<Map<string, Field[]>> {
  const q = `SHOW FIELD KEYS ON ${identifier(db)} FROM ${identifier(policy)}./.*/`
  const series = await answer(ask, db, q)
  const field = ([name, type]: Cell[]) => ({ name: String(name), type: String(type) })
  return new Map(series.map(({ name, values }) => [name, values.map(field)]))
}

/**
 * Asks for each field by name and type, as `SELECT *` leaves points out where a field has another
 * type in another shard.
 */
async function rowsOf(
  ask: Ask,
  db: string,
  policy: string,
  measurement: string,
  fields: Field[],
): Promise<string[]> {
  refuseTwoNumberTypes(measurement, fields)
  const columns = fields.map(({ name, type }) => `${identifier(name)}::${type}`).join(', ')
  const source = [db, policy, measurement].map(identifier).join('.')
  const series = await answer(ask, db, `SELECT ${columns} FROM ${source} GROUP BY *`)
  return series.flatMap(({ tags = {}, values }) => {
    const key = `${escapeSpaces(policy)} ${seriesKey(measurement, tags)}`
    return values.flatMap(([time, ...cells]) =>
      fields.flatMap(({ name, type }, i) => {
        const cell = cells[i] ?? null
        return cell === null ? [] : [`${key} ${escapeKey(name)}=${valueText(cell, type)} ${time}`]
      }),
    )
  })
}

/** influxd answers `f::float` and `f::integer` alike where shards disagree about f's number type. */
function refuseTwoNumberTypes(measurement: string, fields: Field[]): void {
  const numbers = fields.filter(({ type }) => type !== 'string' && type !== 'boolean')
  const names = numbers.map(({ name }) => name)
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice === undefined) return
  throw new Error(`Field ${twice} of ${measurement} has two number types; rows() can't part them.`)
}

/** GROUP BY * also names, as empty, the tags that only other series of the measurement have. */
function seriesKey(measurement: string, tags: Record<string, string>): string {
  const present = Object.entries(tags).filter(([, value]) => value !== '')
  const pairs = present.map(([key, value]) => `,${escapeKey(key)}=${escapeKey(value)}`)
  return escapeSpaces(measurement) + pairs.sort().join('')
}

function valueText(cell: string | boolean, type: string): string {
  if (type === 'string') return JSON.stringify(cell)
  if (type === 'integer') return `${cell}i`
  if (type === 'unsigned') return `${cell}u`
  return String(cell)
}

const escapeSpaces = (text: string) => oneLine(text.replace(/[\\, ]/g, '\\$&'))
const escapeKey = (text: string) => oneLine(text.replace(/[\\,= ]/g, '\\$&'))
const oneLine = (text: string) => text.replaceAll('\n', '\\n')

/** Quotes a name for InfluxQL. */
function identifier(name: string): string {
  return `"${oneLine(name.replace(/["\\]/g, '\\$&'))}"`
}

async function answer(ask: Ask, db: string, q: string): Promise<Series[]> {
  const parsed = JSON.parse(quoteNumbers(await ask(q, db)))
  return parsed.results[0].series ?? []
}

/**
 * Turns the numbers of a JSON text into strings: nanoseconds and 64-bit integers do not fit
 * JavaScript's numbers. The first alternative steps over strings, so digits in them stay.
 */
function quoteNumbers(json: string): string {
  return json.replace(/"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*/g, (token) =>
    token.startsWith('"') ? token : `"${token}"`,
  )
}
