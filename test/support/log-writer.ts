/** A process for node-disk.test.ts: appends records to the log in a folder, and prints their ids. */

import { createNodeDisk } from '../../src/platform/node-disk.ts'
import { SegmentLog } from '../../src/segments/segment-log.ts'
import { record } from './log-fixture.ts'

const [folder] = process.argv.slice(2)
const log = await SegmentLog.open(createNodeDisk(), folder as string, {
  segmentBytes: 10_000,
  onDamage: () => process.exit(1),
})
for (let id = 1; id < 100_000; id++) {
  await log.append([record(id, 200)])
  console.log(id)
}
