/** Starts nginx, as a subject and as null servers. */

import { findProgram } from './programs.ts'
import { Service } from './service.ts'
import { fill } from './template.ts'

/**
 * glibc may return the memory of each large body to the system and take it again, depending on what
 * lies at the top of its heap; nginx is then half as fast. With these it always keeps the memory,
 * so the relay is compared with nginx at its best.
 */
const ALWAYS_KEEP_MEMORY = {
  MALLOC_TRIM_THRESHOLD_: String(256 * 1024 * 1024),
  MALLOC_MMAP_THRESHOLD_: String(32 * 1024 * 1024), // the most that every glibc takes
}

interface NginxPlan {
  readonly name: string
  /** A file of this folder in which ${PORT} and these values are replaced. */
  readonly configuration: string
  values(dir: string): Readonly<Record<string, string>>
  readonly port?: number
  readonly readyPath?: string
}

export async function startNginx({ configuration, values, ...plan }: NginxPlan): Promise<Service> {
  const { path, env } = await findProgram('nginx')
  return Service.start({
    ...plan,
    env: { ...env, ...ALWAYS_KEEP_MEMORY },
    command: async (port, dir) => {
      const file = await fill(configuration, dir, { ...values(dir), PORT: port })
      return [path, '-p', dir, '-e', 'stderr', '-c', file]
    },
  })
}
