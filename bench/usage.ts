/** The resources of a process and its children, from /proc. */

import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'

const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))

/** Seconds of processor time so far, in user and in system mode. */
export function cpuSeconds(pid: number): number {
  let ticks = 0
  for (const member of family(pid)) {
    // The name, in parentheses, may have spaces; the fields after it are numbers.
    const stat = read(member, 'stat')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const [user, system, childrenUser, childrenSystem] = fields.slice(11, 15).map(Number)
    ticks += (user ?? 0) + (system ?? 0) + (childrenUser ?? 0) + (childrenSystem ?? 0)
  }
  return ticks / ticksPerSecond
}

/** Megabytes (of 1024² bytes) in memory now. */
export const residentMb = (pid: number) => memory(pid, 'VmRSS')

/** The peak of megabytes in memory since resetPeak(). */
export const peakMb = (pid: number) => memory(pid, 'VmHWM')

/** Resets the peak. */
export function resetPeak(pid: number): void {
  for (const member of family(pid)) writeFileSync(`/proc/${member}/clear_refs`, '5')
}

/** Bytes that the process has written to disks. */
export function writtenBytes(pid: number): number {
  const io = read(pid, 'io')
  return Number(/^write_bytes: (\d+)/m.exec(io)?.[1] ?? Number.NaN)
}

function memory(pid: number, key: string): number {
  let kilobytes = 0
  for (const member of family(pid)) {
    const status = read(member, 'status')
    kilobytes += Number(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(status)?.[1])
  }
  return kilobytes / 1024
}

function family(pid: number): number[] {
  const children = read(pid, `task/${pid}/children`).trim()
  return [pid, ...(children === '' ? [] : children.split(' ').map(Number).flatMap(family))]
}

function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1')
  } catch (error) {
    if (existsSync(`/proc/${pid}`)) throw error
    throw new Error('its process has ended', { cause: error })
  }
}
