/** Finds a record of a log that is not open, to learn whose log it is. */

import { BufferPool } from '../limits/buffer-pool.ts'
import type { Disk } from '../runtime.ts'
import type { LogRecord } from './record.ts'
import { RecordScanner, type ScanRange } from './record-scanner.ts'
import { firstOf, nameOf } from './segment-index.ts'

export interface FoundRecord {
  /** Whether there is any segment, intact or not. */
  readonly hasSegments: boolean
  /** The first intact record in the folder, delivered or not. */
  readonly record: LogRecord | undefined
}

/** @throws an error of the disk if it fails to read a segment, and no other has an intact record */
export async function findFirstRecord(disk: Disk, folder: string): Promise<FoundRecord> {
  const numbers = (await disk.list(folder))
    .map(({ name }) => firstOf(name))
    .filter((first) => first !== undefined)
    .sort((a, b) => a - b)
  const hasSegments = numbers.length > 0
  let failure: unknown
  for (const first of numbers) {
    const find = () => firstIn(disk, `${folder}/${nameOf(first)}`)
    try {
      const record = await find().catch(find)
      if (record) return { hasSegments, record }
    } catch (error) {
      failure ??= error
    }
  }
  if (failure !== undefined) throw failure
  return { hasSegments, record: undefined }
}

async function firstIn(disk: Disk, path: string): Promise<LogRecord | undefined> {
  const file = await disk.open(path)
  try {
    const end = await file.size()
    const range: ScanRange = {
      ...{ end, sequence: 0 },
      ...{ limit: Number.POSITIVE_INFINITY, maxBodyBytes: Number.POSITIVE_INFINITY },
    }
    return (await new RecordScanner(file, new BufferPool()).find(0, range)).record
  } finally {
    await file.close().catch(() => {})
  }
}
