/** The requests that wrk sends, prepared so that wrk only has to send them. */

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { DATABASES } from './backends.ts'

/** A kind of write. */
export interface Shape {
  readonly points: number
  readonly timestamps: boolean
  readonly gzip?: boolean
  /** Whether each write names another database than the one before. */
  readonly mixed?: boolean
}

/** Different bodies of a kind: many small ones, few large ones. */
const variants = ({ points }: Shape) => (points === 1 ? 64 : points < 1000 ? 16 : 4)

/** Digits of a timestamp after the second; wrk counts them up where a write has a single point. */
const FRACTION = '000000000'

/** One point, as an agent would send it. */
export function point(series: number, timestamp: string): string {
  const host = `host=server${String(series % 1000).padStart(3, '0')}`
  const load = (series * 7919) % 1000
  const fields = `usage_user=${load / 10},usage_system=${load / 40},usage_idle=${100 - load / 8}`
  return `cpu,${host},region=eu-west-1,team=storage ${fields}${timestamp && ` ${timestamp}`}`
}

/** The body of one write. */
export function body({ points, timestamps }: Shape, variant: number): string {
  const second = Math.floor(Date.now() / 1000)
  const lines = Array.from({ length: points }, (_, i) => {
    const series = variant * points + i
    const fraction = points === 1 ? FRACTION : String(series).padStart(FRACTION.length, '0')
    return point(series, timestamps ? `${second}${fraction}` : '')
  })
  return lines.join('\n')
}

/** A whole request, as bytes. */
export function request(shape: Shape, variant: number): Buffer {
  const text = Buffer.from(body(shape, variant))
  const bytes = shape.gzip ? gzipSync(text) : text
  const database = DATABASES[shape.mixed ? variant % DATABASES.length : 0]
  const head = [
    `POST /write?db=${database} HTTP/1.1`,
    'Host: influxdb',
    'User-Agent: bench',
    ...(shape.gzip ? ['Content-Encoding: gzip'] : []),
    `Content-Length: ${bytes.length}`,
  ]
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), bytes])
}

/** The mean size of a body in bytes. */
export function meanBytes(shape: Shape): number {
  const bytes = Array.from({ length: variants(shape) }, (_, i) => body(shape, i).length)
  return bytes.reduce((sum, length) => sum + length, 0) / bytes.length
}

/** Whether wrk gives each write its own timestamp. */
export const countsUp = ({ points, timestamps, gzip }: Shape) => points === 1 && timestamps && !gzip

/** Writes requests to a folder, and returns their number. */
export async function writeRequests(dir: string, shape: Shape): Promise<number> {
  await mkdir(dir, { recursive: true })
  const count = variants(shape)
  for (let i = 0; i < count; i++) await writeFile(join(dir, String(i)), request(shape, i))
  return count
}
