/** A file system that is full after a few megabytes. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface SmallDisk {
  readonly path: string
  release(): Promise<void>
}

/**
 * Mounts a tmpfs in a new mount namespace, which needs no root and ends with this process. Others
 * reach it through the process that holds the namespace.
 *
 * @param options its size, as for `mount -o`: `size=4m`, `nr_inodes=20`
 */
export async function mountSmallDisk(options: string): Promise<SmallDisk> {
  const dir = await mkdtemp(join(tmpdir(), 'small-disk-'))
  const script = 'mount -t tmpfs -o "$1" tmpfs "$2" && echo mounted && exec cat'
  const flags = process.getuid?.() === 0 ? ['--mount'] : ['--user', '--map-root-user', '--mount']
  const holder = spawn('unshare', [...flags, 'sh', '-c', script, 'sh', options, dir])
  const ended = once(holder, 'close')
  let messages = ''
  holder.stderr.on('data', (text) => {
    messages += text
  })
  const release = async () => {
    holder.stdin.end()
    await ended
    await rm(dir, { recursive: true })
  }
  await Promise.race([once(holder.stdout, 'data'), ended])
  if (holder.exitCode === null) return { path: `/proc/${holder.pid}/root${dir}`, release }
  await rm(dir, { recursive: true })
  throw new Error(`no tmpfs can be mounted here: ${messages}${ADVICE}`)
}

const ADVICE =
  'These tests need mount namespaces: run them as root, or allow unprivileged user namespaces by ' +
  '`sysctl kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0`.'
