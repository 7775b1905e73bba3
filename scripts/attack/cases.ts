/** All hostile cases. */

import { BOUNDS, type Case } from './case.ts'
import { bodies } from './cases/bodies.ts'
import { connections } from './cases/connections.ts'
import { datagrams } from './cases/datagrams.ts'
import { framing } from './cases/framing.ts'
import { names } from './cases/names.ts'
import { hostileServers } from './cases/servers.ts'
import { stopping } from './cases/stopping.ts'

export const CASES: readonly Case[] = [
  ...bodies,
  ...connections,
  ...names,
  ...framing,
  ...datagrams,
  ...hostileServers,
  ...stopping,
]

/** The rows of the table in SECURITY.md. */
export const rowsOfCases: readonly string[] = CASES.map((one) => {
  const { growthMb, waitMs, served, seconds } = { ...BOUNDS, ...one.bounds }
  const share = one.ends ? 'until it stops' : `${100 * served} %`
  return `| \`${one.name}\` | ${one.title} | ${growthMb} | ${seconds} | ${waitMs} | ${share} |`
})
