import { configDefaults, defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    root: '.',
    include: ['test/**/*.test.ts'],
    exclude: [...configDefaults.exclude, 'test/**/*.full.test.ts'],
    passWithNoTests: true,
    testTimeout: 60_000,
    // Files share the modules of their process, and with them compiled code: nothing in `src` keeps state in a module.
    isolate: false,
    maxWorkers: '100%',
  },
});
