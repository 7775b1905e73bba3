import { defineConfig } from 'vitest/config'

/** With `--mode quick`, tests run one in ten of their seeds: see test/support/seeds.ts. */
export default defineConfig(({ mode }) => ({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts', 'test/*.test.ts'],
          provide: { shareOfSeeds: mode === 'quick' ? 0.1 : 1 },
          isolate: false, // no unit test changes a module for others; a process a file took half the time
          maxWorkers: '100%',
        },
      },
      {
        test: {
          name: 'contract',
          include: ['test/contract/**/*.test.ts'],
          pool: 'forks',
          maxWorkers: 2, // each file runs several servers of its own
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
}))
