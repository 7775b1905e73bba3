import { describe, expect, test } from 'vitest'
import { MUTANTS } from '../../scripts/mutants/list.ts'
import { applyMutant, type Mutant, readSources, sourceOf } from '../../scripts/mutants/mutant.ts'

const source = (text: string, file = 'a.ts') => sourceOf(file, text)

const mutant = (find: string, replace: string, file?: string): Mutant => ({
  ...{ name: 'x', breaks: '', find, replace },
  ...(file !== undefined && { file }),
})

/** The text of one file after a mutant. */
const apply = (find: string, replace: string, text: string) =>
  applyMutant(mutant(find, replace), [source(text)]).text

test('src has the code of every mutant exactly once', async () => {
  const sources = await readSources()
  for (const one of MUTANTS) expect(applyMutant(one, sources).text).not.toBe('')
})

test("mutants' names are distinct", () => {
  expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length)
})

describe('the code of a mutant', () => {
  test('is replaced where it stands', () => {
    expect(apply('b()', 'c()', 'a()\nb()\n')).toBe('a()\nc()\n')
  })

  test.each([
    ['line breaks', 'f(\n  a,\n  b,\n)'],
    ['a comment on a line of its own', 'f(\n  // why\n  a, b)'],
  ])('is found in spite of %s', (_, text) => {
    expect(apply('f(a, b)', 'g()', text)).toBe('g()')
  })

  test.each([
    ['$a.release()', 'entry.release()', 'entry'],
    ['$a.release()', 'this.lane?.entry.release()', 'this.lane?.entry'],
    ['$a?.release()', 'this.entry?.release()', 'this.entry'],
    ['$a.release()', '#own.release()', '#own'],
    ['f($a, $a)', 'f(x.y, x.y)', 'x.y'],
    ['f($a, $b)', 'f(x.y, z)', 'x.y'],
    ['$a = $a + 1', 'n = n + 1', 'n'],
  ])('%s is found in %s', (find, text, a) => {
    expect(apply(find, '$a', text)).toBe(a)
  })

  test.each([
    ['f($a, $a)', 'f(x, y)'],
    ['f($a)', 'f(1)'],
    ['f($a)', 'f(g())'],
    ['release()', 'releaseAll()'],
    ['f(a)', '// f(a)'],
  ])('%s is not found in %s', (find, text) => {
    expect(() => apply(find, '', text)).toThrow('stale mutant "x"')
  })

  test('that is not found is reported with the lines most like it', () => {
    expect(() => apply('queue.freeSlot()', '', 'a()\nthis.queue.release()\n')).toThrow(
      'most like it:\n  src/a.ts:2  this.queue.release()',
    )
  })

  test('that is found twice is reported with both places', () => {
    expect(() => apply('a()', '', 'a()\na()')).toThrow('src/a.ts:1\n  src/a.ts:2')
  })

  test('that is in two files is replaced in the one that the mutant names', () => {
    const sources = [source('a()', 'b.ts'), source('a()', 'c.ts')]
    expect(() => applyMutant(mutant('a()', ''), sources)).toThrow('ambiguous mutant "x"')
    expect(applyMutant(mutant('a()', '', 'c.ts'), sources).file).toBe('c.ts')
  })

  test('that has moved to another file is found there', () => {
    expect(applyMutant(mutant('a()', '', 'b.ts'), [source('a()', 'c.ts')]).file).toBe('c.ts')
  })
})
