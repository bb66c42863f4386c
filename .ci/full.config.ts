import { defineConfig } from 'vitest/config';

/** One file at a time: these runs use all cores themselves, or measure. */
export default defineConfig({
  test: {
    root: '.',
    include: ['test/**/*.full.test.ts'],
    passWithNoTests: true,
    testTimeout: 1_200_000,
    hookTimeout: 600_000,
    fileParallelism: false,
    // Terminal sessions of real guests depend on the wall clock of a machine that may be busy.
    retry: 1,
  },
});
