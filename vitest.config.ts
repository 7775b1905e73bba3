import { defineConfig } from 'vitest/config'

/** With `--mode quick`, tests run one in ten of their seeds: see test/support/seeds.ts. */
export default defineConfig(({ mode }) => ({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          provide: { shareOfSeeds: mode === 'quick' ? 0.1 : 1 },
          // No unit test leaves anything behind. A process for each file took half of the time.
          isolate: false,
          maxWorkers: '100%',
          testTimeout: 60_000, // a machine may be busy; most tests take milliseconds
        },
      },
      {
        test: {
          name: 'oracle',
          include: ['test/oracle/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 300_000, // Debian's Go compiler may have to be fetched first
        },
      },
      {
        test: {
          name: 'contract',
          include: ['test/contract/**/*.test.ts'],
          pool: 'forks',
          maxWorkers: 3, // two cores are busy with three files: each often waits for a deadline
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
}))
