import { expect, test } from 'vitest'
import { GroupCommit } from '../../../src/disk/group-commit.ts'

/** Commits that end at a call of `end`. */
function createFixture() {
  const running: { resolve: () => void; reject: (error: Error) => void }[] = []
  let begun = 0
  const group = new GroupCommit(() => {
    begun++
    return new Promise((resolve, reject) => running.push({ resolve, reject }))
  })
  return {
    group,
    begun: () => begun,
    async end(error?: Error) {
      const commit = running.shift()
      if (error) commit?.reject(error)
      else commit?.resolve()
      await turn()
    },
  }
}

const turn = () => new Promise((resolve) => setTimeout(resolve, 0))

test('requests of one turn share a commit', async () => {
  const { group, begun, end } = createFixture()
  const all = Promise.all(Array.from({ length: 100 }, () => group.request()))
  await turn()
  await end()
  await all
  expect(begun()).toBe(1)
})

test('requests during a commit share the next one and wait for it', async () => {
  const { group, begun, end } = createFixture()
  const done: string[] = []
  void group.request().then(() => done.push('first'))
  await turn()
  void group.request().then(() => done.push('second'))
  void group.request().then(() => done.push('third'))
  await turn()
  expect(begun()).toBe(1)
  await end()
  expect(done).toEqual(['first'])
  expect(begun()).toBe(2)
  await end()
  expect(done).toEqual(['first', 'second', 'third'])
  expect(begun()).toBe(2)
})

test('a failed commit rejects its own requests alone', async () => {
  const { group, end } = createFixture()
  const first = group.request()
  const rejected = expect(first).rejects.toThrow('EIO')
  await turn()
  const second = group.request()
  await end(new Error('EIO'))
  await rejected
  await end()
  await second
})
