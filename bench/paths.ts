import { join } from 'node:path'

export const here = import.meta.dirname
export const root = join(here, '..')
export const bin = (name: string) => join(root, 'node_modules', '.bin', name)
