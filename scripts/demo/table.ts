/** The demo's progress as text of at most 80 columns. */

import { styleText } from 'node:util'
import type { Phase, Progress, Watched } from './progress.ts'

type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow'
export type Paint = (style: Style, text: string) => string

export const colored: Paint = (style, text) => styleText(style, text, { validateStream: false })
export const plain: Paint = (_, text) => text

export const figure = (value: number) => value.toLocaleString('en-US')
/** One column is left free: some terminals break a line when its last one is filled. */
const WIDTH = 79
/** For a server that lacks all points. */
const BAR_WIDTH = 18

const cell = (value: number, width: number) => figure(value).padStart(width)

/** The whole state, for the screen. */
export function table(progress: Progress, paint: Paint): string[] {
  const { servers, given, phases, seconds } = progress
  const heading = 'SERVER     ADDRESS           STATE        POINTS     BEHIND'
  const failed = `${figure(given.failedWrites)} failed`
  return [
    paint('dim', heading + `${seconds.toFixed(1)} s`.padStart(WIDTH - heading.length)),
    ...servers.map((server) => serverLine(server, given.points, paint)),
    '',
    `HTTP   ${cell(given.acknowledgedWrites, 8)} writes acknowledged, ` +
      (given.failedWrites > 0 ? paint('red', failed) : failed),
    `UDP    ${cell(given.udpPoints, 8)} datagrams sent`,
    '',
    ...phases.flatMap((phase) => phaseLines(phase, seconds, paint)),
  ]
}

function serverLine(watched: Watched, given: number, paint: Paint): string {
  const { name, address, up, points, behind } = watched
  const state = up ? paint('green', 'up  ') : paint('red', 'down')
  const bar = '='.repeat(Math.ceil((behind / Math.max(given, 1)) * BAR_WIDTH))
  const lag = `${cell(behind, 11)}  ${bar}`
  const columns = [name.padEnd(11), address.padEnd(18), state, cell(points, 15)]
  return columns.join('') + (behind > 0 ? paint('yellow', lag) : lag)
}

function phaseLines({ title, began, ended, remark }: Phase, now: number, paint: Paint): string[] {
  if (began === undefined) return [paint('dim', `  ${title}`)]
  const seconds = `${((ended ?? now) - began).toFixed(1)} s`.padStart(8)
  const running = ended === undefined
  const mark = running ? paint('yellow', '>') : paint('green', '✓')
  const shown = running ? paint('bold', title.padEnd(WIDTH - 10)) : title.padEnd(WIDTH - 10)
  const first = `${mark} ${shown}${seconds}`
  return remark === undefined ? [first] : [first, paint('dim', `    ${remark}`)]
}

/** The headings of line(). */
export function heading({ servers }: Progress): string {
  const names = servers.map(({ name }) => `   ${name.padEnd(13)}behind`)
  return `   time${names.join('')}   HTTP ok  failed      UDP`
}

/** The state in one line, for a file. */
export function line({ servers, given, seconds }: Progress): string {
  const states = servers.map(
    ({ up, points, behind }) => `   ${up ? 'up  ' : 'down'}${cell(points, 7)}${cell(behind, 8)}`,
  )
  const { acknowledgedWrites, failedWrites, udpPoints } = given
  const counts = cell(acknowledgedWrites, 10) + cell(failedWrites, 8) + cell(udpPoints, 9)
  return `${seconds.toFixed(0).padStart(5)} s${states.join('')}${counts}`
}
