import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts', 'test/*.test.ts'],
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
})
