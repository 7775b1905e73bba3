/** Deliberate bugs in the delivery of statements that change something. */

import type { Mutant } from './mutant.ts'

const OVERTAKEN = 'a server gets a statement and a write in another order than they were accepted'
const NOT_EXECUTED = 'a server does not execute a statement that was acknowledged'

export const CHANGES: readonly Mutant[] = [
  {
    name: 'change: a statement does not wait for older writes',
    breaks: OVERTAKEN,
    file: 'influxdb/barrier.ts',
    find: 'return !(newer.barrier?.onlyAdds && older.barrier === undefined)',
    replace: 'return older.barrier !== undefined',
  },
  {
    name: 'change: writes do not wait for an older statement',
    breaks: OVERTAKEN,
    file: 'delivery/queue.ts',
    find: 'if (destination.barrier) this.barriers.add(lane)',
    replace: '',
  },
  {
    name: 'change: later writes go to the lanes before the statement',
    breaks: OVERTAKEN,
    file: 'delivery/queue.ts',
    find: 'this.open.delete(key)\n    this.barriers.add(lane)',
    replace: 'this.barriers.add(lane)',
  },
  {
    name: 'change: an idle lane counts as gone',
    breaks: 'records that come back after a crash are delivered again behind a statement',
    file: 'delivery/queue.ts',
    find: 'else if (this.barriers.has(lane)) this.removeFilesNow(lane)',
    replace: 'else if (this.barriers.has(lane)) this.forget(lane)',
  },
  {
    name: 'change: the files of lanes have no order numbers',
    breaks: 'the order between lanes does not survive the relay',
    file: 'delivery/lane-file.ts',
    find: '...(order === 0 ? {} : { order }),',
    replace: '',
  },
  {
    name: 'change: lanes are recovered before the statement that they wait for',
    breaks: 'the order between lanes does not survive the relay',
    file: 'delivery/lane-recovery.ts',
    find: 'isStatement(b) - isStatement(a)',
    replace: 'isStatement(a) - isStatement(b)',
  },
  {
    name: 'change: order numbers begin anew with each process',
    breaks: OVERTAKEN,
    file: 'delivery/queue.ts',
    find: 'this.order = Math.max(this.order, added.order)',
    replace: '',
  },
  {
    name: 'change: two recovered lanes of a destination do not wait for each other',
    breaks: OVERTAKEN,
    file: 'delivery/queue.ts',
    find: 'if (sameKey) this.close(sameKey)',
    replace: '',
  },
  {
    name: 'change: writes get the answer to the statement before them',
    breaks: 'a write that no server has stored is answered 200',
    file: 'delivery/lane.ts',
    find: '{ ...failure, answer: undefined }',
    replace: 'failure',
  },
  {
    name: 'change: errors inside an answer are ignored',
    breaks: NOT_EXECUTED,
    file: 'influxdb/result-error.ts',
    find: 'of resultErrors(answer)) {',
    replace: 'of resultErrors(answer).slice(1)) {',
  },
  {
    name: 'change: now() is not bound',
    breaks: 'servers delete different points',
    file: 'influxdb/statement-request.ts',
    find: 'const bound = bindTimes(text, times, values)',
    replace: 'const bound = bindTimes(text, { ...times, now: 0n }, values) && text',
  },
  {
    name: 'change: a statement that is lost is not recorded',
    breaks: 'a server lacks a statement, and nothing says so',
    file: 'losses/losses.ts',
    find: 'writes: 1, reason, backend }',
    replace: 'writes: 0, reason, backend }',
  },
]
