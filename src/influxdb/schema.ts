/** Databases and retention policies as statements. */

export interface RetentionPolicy {
  readonly name: string
  /** In seconds, 0 for ever. */
  readonly duration: number
  readonly shardDuration: number
  readonly replication: number
  readonly isDefault: boolean
}

/** The policies in the answer to SHOW RETENTION POLICIES, in JSON; undefined if it has none. */
export function retentionPoliciesIn(body: Uint8Array): RetentionPolicy[] | undefined {
  try {
    const [{ series }] = JSON.parse(new TextDecoder().decode(body)).results
    const [{ columns, values }] = series
    return values.map((row: readonly unknown[]): RetentionPolicy => {
      const cell = (column: string) => row[columns.indexOf(column)]
      return {
        name: String(cell('name')),
        duration: secondsOf(String(cell('duration'))),
        shardDuration: secondsOf(String(cell('shardGroupDuration'))),
        replication: Number(cell('replicaN')),
        isDefault: cell('default') === true,
      }
    })
  } catch {
    return undefined
  }
}

/** A duration of Go in whole seconds: `168h0m0s`. */
function secondsOf(duration: string): number {
  const [, hours = 0, minutes = 0, seconds = 0] =
    /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/.exec(duration) ?? []
  return Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)
}

/** Statements that create a database with exactly these policies. They do nothing where it is so already. */
export function statementsToCreate(database: string, policies: readonly RetentionPolicy[]): string {
  const own = policies.find(({ isDefault }) => isDefault)
  const name = quoted(database)
  const create = `CREATE DATABASE ${name}`
  const first = own ? `${create} WITH ${termsOf(own)} NAME ${quoted(own.name)}` : create
  const others = policies
    .filter((policy) => policy !== own)
    .map((one) => `CREATE RETENTION POLICY ${quoted(one.name)} ON ${name} ${termsOf(one)}`)
  return [first, ...others].join('; ')
}

function termsOf({ duration, replication, shardDuration }: RetentionPolicy): string {
  const kept = duration === 0 ? 'INF' : `${duration}s`
  const shards = shardDuration === 0 ? '' : ` SHARD DURATION ${shardDuration}s`
  return `DURATION ${kept} REPLICATION ${replication}${shards}`
}

/** A name as an identifier. */
export function quoted(name: string): string {
  const escaped = name.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
  return `"${escaped}"`
}
