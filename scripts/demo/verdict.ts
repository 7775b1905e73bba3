/** Compares the points of the servers with each other, and with those that clients wrote. */

import { figure } from './table.ts'
import type { Given } from './writers.ts'

const ROWS_SHOWN = 3

/** A server's points, as the sorted lines that its rows() returns. */
export interface Holding {
  readonly name: string
  readonly rows: readonly string[]
}

/** What is wrong, in words; empty if each server has every point. */
export function faults(first: Holding, second: Holding, given: Given): string[] {
  return [
    ...missing(first, second),
    ...missing(second, first),
    ...nowhere(first, second, given),
    ...refusals(given),
  ]
}

/** For a demo without faults. */
export function success(given: Given): string {
  const http = `${figure(given.httpPoints)} written by HTTP, every write answered 204,`
  const points = `Both servers hold the same ${figure(given.points)} points`
  return `${points}:\n${http} and ${figure(given.udpPoints)} sent by UDP.`
}

/** How many points came by HTTP and UDP, and where they are. */
export function figures(holdings: readonly Holding[], given: Given): string[] {
  const { httpPoints, udpPoints } = given
  const row = (name: string, http: number, udp: number) =>
    `  ${name.padEnd(24)}${figure(http).padStart(9)} by HTTP${figure(udp).padStart(9)} by UDP`
  return [
    row('acknowledged or sent', httpPoints, udpPoints),
    ...holdings.map(({ name, rows }) => row(`on ${name}`, count(rows, 'http'), count(rows, 'udp'))),
  ]
}

function missing(one: Holding, other: Holding): string[] {
  const present = new Set(one.rows)
  const rows = other.rows.filter((row) => !present.has(row))
  if (rows.length === 0) return []
  return [
    `${one.name} lacks ${figure(rows.length)} points that ${other.name} has, such as`,
    ...rows.slice(0, ROWS_SHOWN).map((row) => `  ${row}`),
  ]
}

/**
 * UDP does not report a lost datagram: the system may have dropped it before the relay could read
 * it.
 */
function nowhere(first: Holding, second: Holding, given: Given): string[] {
  const rows = [...new Set([...first.rows, ...second.rows])]
  const http = given.httpPoints - count(rows, 'http')
  const udp = given.udpPoints - count(rows, 'udp')
  return [
    http > 0 ? `${figure(http)} points were acknowledged, and are on neither server.` : '',
    udp > 0
      ? `${figure(udp)} points sent by UDP are on neither server. The system drops datagrams that ` +
        'the relay has no time to read; what the relay itself drops is in its log.'
      : '',
  ].filter((line) => line !== '')
}

function refusals({ failedWrites, answers }: Given): string[] {
  if (failedWrites === 0) return []
  const others = [...answers].filter(([answer]) => answer !== '204')
  const list = others.map(([answer, times]) => `${answer} (${figure(times)} times)`)
  return [
    `${figure(failedWrites)} writes failed, although one server was always up: ${list.join(', ')}`,
  ]
}

function count(rows: readonly string[], measurement: string): number {
  const start = `autogen ${measurement},`
  return rows.filter((row) => row.startsWith(start)).length
}
