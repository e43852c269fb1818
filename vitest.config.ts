import { availableParallelism } from 'node:os'

import { defineConfig } from 'vitest/config'

/** Vitest prints it; `SEED=… npm test` repeats the same order, and the same random tests. */
const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))

export default defineConfig({
  test: {
    include: ['{src,test,dashboard/src}/**/*.test.ts'],
    typecheck: { enabled: true, include: ['test/types/*.test-d.ts'] },
    pool: 'forks',
    globalSetup: './test/servers/global-setup.ts',
    testTimeout: 30_000,
    // Most tests wait for a server most of the time: two at a time on two cores, where vitest would run one.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    sequence: { shuffle: true, seed },
    env: { SEED: String(seed) },
    reporters: ['default', './test/reporter.ts'],
  },
})
