/**
 * The chart for the README: the rate of writes through each subject as a multiple of direct writes.
 */

import type { Result } from './result.ts'
import { Samples, type Spread } from './samples.ts'
import { OURS } from './subjects.ts'
import { onePointSetting } from './writes.ts'

const PANELS = [64, 256]

/** Readable on white and on black alike. */
const TEXT = '#7d8590'
const RELAY = '#2f81f7'
const OTHER = '#8b949e'

const LABEL_WIDTH = 112
const BAR_WIDTH = 260
const VALUE_WIDTH = 54
const GAP = 24
const ROW = 24
const TOP = 78
const BOTTOM = 30
const PANEL = LABEL_WIDTH + BAR_WIDTH + VALUE_WIDTH
const WIDTH = PANELS.length * PANEL + (PANELS.length - 1) * GAP

const NAMES: Readonly<Record<string, string>> = {
  direct: 'no relay',
  'nginx-mirror': 'nginx mirror',
  bun: 'Bun',
  deno: 'Deno',
}

const nameOf = (subject: string) => NAMES[subject] ?? subject.replace(/^node(\d+)$/, 'Node.js $1')

interface Bar {
  readonly subject: string
  readonly ratio: Spread
}

/** Undefined if its figures were not measured. */
export function chart(result: Result): string | undefined {
  const samples = new Samples(result.samples)
  const panels = PANELS.map((connections) => barsOf(samples, connections))
  if (panels.some((bars) => bars.length < 2)) return undefined
  const most = Math.max(...panels.flat().map(({ ratio }) => ratio.most))
  const rows = Math.max(...panels.map((bars) => bars.length))
  const height = TOP + rows * ROW + BOTTOM
  const drawn = panels.map((bars, i) => {
    const x = i * (PANEL + GAP)
    const title = `${PANELS[i]} connections`
    return `<g transform="translate(${x} 0)">${panel(bars, title, most, rows)}</g>`
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}"`,
    ` height="${height}" role="img" font-family="system-ui, sans-serif" font-size="13"`,
    ` fill="${TEXT}">\n`,
    '<title>One-point writes a second through a relay, against writes to one server directly</title>\n',
    text(
      0,
      20,
      'One-point writes a second to InfluxDB, as a multiple of no relay',
      'start',
      17,
      600,
    ),
    text(0, 40, `The relay (blue) and nginx write to two servers. ${machine(result)}`),
    ...drawn,
    text(0, height - 8, footnote(panels.flat())),
    '</svg>\n',
  ].join('')
}

function barsOf(samples: Samples, connections: number): Bar[] {
  const setting = onePointSetting('influxd', connections)
  return samples.subjects('one-point', setting).flatMap((subject) => {
    const ratio = samples.ratio('one-point', setting, [subject, 'direct'], 'requests/s')
    return ratio ? [{ subject, ratio }] : []
  })
}

function panel(bars: readonly Bar[], title: string, most: number, rows: number): string {
  const scale = BAR_WIDTH / most
  const one = round(LABEL_WIDTH + scale)
  const drawn = bars.map(({ subject, ratio }, i) => {
    const y = TOP + i * ROW
    const color = OURS.includes(subject) ? RELAY : OTHER
    const width = round(ratio.median * scale)
    const least = round(LABEL_WIDTH + ratio.least * scale)
    const greatest = round(LABEL_WIDTH + ratio.most * scale)
    return [
      text(LABEL_WIDTH - 8, y + 14, nameOf(subject), 'end'),
      `<rect x="${LABEL_WIDTH}" y="${y + 2}" width="${width}" height="${ROW - 8}" rx="2"`,
      ` fill="${color}"/>\n`,
      // From the least to the most of any round.
      `<path d="M${least} ${y + 10}H${greatest}" stroke="${TEXT}" stroke-width="2"/>\n`,
      text(PANEL, y + 14, `${ratio.median.toFixed(2)}×`, 'end', 13, 600),
    ].join('')
  })
  const line = `<path d="M${one} ${TOP - 6}V${TOP + rows * ROW}" stroke="${TEXT}" stroke-dasharray="3 3"/>\n`
  return [text(LABEL_WIDTH, TOP - 14, title, 'start', 13, 600), line, ...drawn].join('')
}

function machine({ machine: { cores, date, versions }, rounds }: Result): string {
  return `InfluxDB ${versions.influxd}, ${cores} cores for all, ${date}, median of ${rounds}.`
}

function footnote(bars: readonly Bar[]): string {
  const remarks = [
    ['haproxy', 'HAProxy passes writes on to one server'],
    ['vmagent', 'vmagent answers before it delivers'],
  ] as const
  const subjects = bars.map(({ subject }) => subject)
  const those = remarks.filter(([subject]) => subjects.includes(subject))
  return those.length === 0 ? '' : `${those.map(([, remark]) => remark).join('; ')}.`
}

function text(x: number, y: number, words: string, anchor = 'start', size = 13, weight = 400) {
  const escaped = words.replace(/[&<>]/g, (sign) => `&#${sign.charCodeAt(0)};`)
  return `<text x="${x}" y="${y}" text-anchor="${anchor}" font-size="${size}" font-weight="${weight}">${escaped}</text>\n`
}

const round = (value: number) => Math.round(value * 10) / 10
