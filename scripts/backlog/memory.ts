/** The memory of a process, from /proc. */

import { readFile, writeFile } from 'node:fs/promises'

/** Resident bytes: now, and the peak since `forgetPeak`. */
export interface Memory {
  readonly now: number
  readonly peak: number
}

export async function memoryOf(pid: number): Promise<Memory> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return { now: field(status, 'VmRSS'), peak: field(status, 'VmHWM') }
}

export function forgetPeak(pid: number): Promise<void> {
  return writeFile(`/proc/${pid}/clear_refs`, '5')
}

function field(status: string, name: string): number {
  const [, kilobytes] = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status) ?? []
  if (kilobytes === undefined) throw new Error(`/proc has no ${name} of the relay`)
  return Number(kilobytes) * 1024
}
