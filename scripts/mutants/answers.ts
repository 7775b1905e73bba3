/** Deliberate bugs in what clients are told, and in what the answers of servers are taken for. */

import type { Mutant } from './mutant.ts'

export const ANSWERS: readonly Mutant[] = [
  {
    name: 'ack before disk',
    breaks:
      'a client is told that its write is stored while a failing backend has it in memory only',
    file: 'relay.ts',
    find: 'if (this.entries.every(isSafe)) void this.acknowledge()',
    replace: 'void this.acknowledge()',
  },
  {
    name: 'ack before ledger',
    breaks:
      'a client is told that its write is stored before the ledger says who will never have it',
    file: 'relay.ts',
    find: 'await Promise.all(\n        this.losers',
    replace: 'void Promise.all(\n        this.losers',
  },
  {
    name: 'ack although the ledger failed',
    breaks: 'a loss that the disk did not take is acknowledged all the same',
    file: 'relay.ts',
    find: '    } catch (error) {\n      this.tell(notKept((error as Error).message))',
    replace: '    } catch {\n      this.answer(STORED)',
  },
  {
    name: 'losses before the answer are forgotten',
    breaks: 'a backend that gave a write up before it was acknowledged does not enter the ledger',
    file: 'relay.ts',
    find: 'else this.losers.push([entry, reason])',
    replace: '',
  },
  {
    name: 'any without a disk',
    breaks: 'consistency any is acknowledged for a write that is nowhere yet',
    file: 'relay.ts',
    find: 'secured && state !==',
    replace: 'state !==',
  },
  {
    name: 'quorum off by one',
    breaks: 'half of the backends pass for more than half',
    file: 'consistency.ts',
    find: 'Math.floor(total / 2) + 1',
    replace: 'Math.ceil(total / 2)',
  },
  {
    name: 'all is one',
    breaks: 'consistency all is acknowledged once a single backend has the write',
    file: 'consistency.ts',
    find: 'return total\n',
    replace: 'return 1\n',
  },
  {
    name: 'nobody is to keep it',
    breaks: 'a write that one backend has is not brought to disk for the others',
    file: 'relay.ts',
    find: 'if (!isSafe(entry)) entry.holder.keep(entry)',
    replace: 'void entry',
  },
  {
    name: 'partial write not for the others',
    breaks: 'a write that one backend took in part is withdrawn from the others',
    file: 'answer.ts',
    find: 'return answer.status === 400 && /',
    replace: 'return answer.status === 400 || /',
  },
  {
    name: '500 counts as stored',
    breaks: 'a server error passes for success',
    file: 'answer.ts',
    find: 'status >= 200 && status < 300',
    replace: '(status >= 200 && status < 300) || status === 500',
  },
  {
    name: '503 rejects',
    breaks: 'a server that is busy passes for one that will never take the write',
    file: 'answer.ts',
    find: 'if (status === 400 || status === 422)',
    replace: 'if (status === 400 || status === 503)',
  },
  {
    name: '404 rejects',
    breaks: 'a server without its databases costs the writes that it should get later',
    file: 'answer.ts',
    find: "return 'unready'\n  if (status === 500)",
    replace: "return 'rejected'\n  if (status === 500)",
  },
  {
    name: '400 is retried for ever',
    breaks: 'a write that no server will take holds up all that follow',
    file: 'answer.ts',
    find: 'if (status === 400 || status === 422)',
    replace: 'if (status === 422)',
  },
  {
    name: '413 is retried for ever',
    breaks: 'a batch that is too large is never made smaller',
    file: 'answer.ts',
    find: "if (status === 413) return 'too-large'",
    replace: '',
  },
  {
    name: 'timeout never aborts',
    breaks: 'a request that is lost on its way is waited for',
    file: 'backend.ts',
    find: '() => controller.abort()',
    replace: '() => {}',
  },
  {
    name: 'Retry-After is ignored',
    breaks: 'a server that asks to be left alone is not',
    file: 'backoff.ts',
    find: 'return Math.max(this.delayMs, atLeastMs)',
    replace: 'return this.delayMs',
  },
  {
    name: 'no stamps',
    breaks: 'each server gives a point without a timestamp its own',
    file: 'app.ts',
    find: 'const points = stamp(body, () =>\n      timestampIn(destination.precision, runtime.clock.wallNanoseconds()),\n    )',
    replace: 'const points = { ...stamp(body, () => timestampIn("n", 0n)), bytes: body }',
  },
  {
    name: 'half a body is taken for a whole',
    breaks: 'what a client sent before it hung up is relayed',
    file: 'body.ts',
    find: 'const { done, value } = await reader.read().catch(cutShort)',
    replace:
      'const { done, value } = await reader.read().catch(() => ({ done: true, value: undefined }))',
  },
  {
    name: 'bytes in flight are never given back',
    breaks: 'in the end every write is refused',
    file: 'app.ts',
    find: 'reservation.release()',
    replace: '',
  },
]
