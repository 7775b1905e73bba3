import { join } from 'node:path'
import { cached, run } from './cache.ts'

export const newestVersion = '26.10.0'

/**
 * Returns the path of the newest Node that the relay is tested on, installed from npm into
 * `.cache` at the first call, whichever older Node runs the tests.
 *
 * npm's package `node` fetches the binary by an install script; the package with the binary for
 * this platform, which that script would choose, needs no script.
 */
export function findNewestNode(): Promise<string> {
  return findNode(newestVersion)
}

/** The same for any version. */
export async function findNode(version: string): Promise<string> {
  const name = platformPackage()
  const program = join('node_modules', name, 'bin', 'node')
  const dir = await cached(`node-${version}`, [program], async (draft) => {
    await install(draft, `${name}@${version}`)
    await run(join(draft, program), ['--version'])
  }).catch((cause: Error) => {
    throw new Error(
      `Node ${version} could not be installed from npm's package ${name} (${cause.message}). ` +
        'Check that npm can install packages here.',
      { cause },
    )
  })
  return join(dir, program)
}

function platformPackage(): string {
  const { platform, arch } = process
  const prefix = platform === 'darwin' && arch === 'arm64' ? 'node-bin' : 'node'
  return `${prefix}-${platform}-${arch}`
}

function install(prefix: string, specification: string): Promise<string> {
  const quiet = ['--no-audit', '--no-fund', '--loglevel=error']
  const options = ['--prefix', prefix, '--no-save', '--ignore-scripts', ...quiet]
  return run('npm', ['install', ...options, specification], { cwd: prefix })
}
