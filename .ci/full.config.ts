import { configDefaults, defineConfig } from 'vitest/config';

/** They measure: shares, latency, memory; or use all cores themselves. They run behind the others, one at a time. */
export const ALONE = [
  'test/guest/{dispose,interactive,paravirtual,two-guests,wall-clock}.full.test.ts',
  'test/hostile/*.full.test.ts',
  'test/package/*.full.test.ts',
  'test/unit/hypervisor/library-fuzz.full.test.ts',
];

export const FULL = {
  root: '.',
  passWithNoTests: true,
  testTimeout: 1_200_000,
  hookTimeout: 600_000,
  teardownTimeout: 120_000,
  // Terminal sessions of real guests depend on the wall clock of a machine that may be busy.
  retry: 1,
} as const;

export default defineConfig({
  test: {
    ...FULL,
    include: ['test/**/*.full.test.ts'],
    exclude: [...configDefaults.exclude, ...ALONE],
    maxWorkers: '100%',
  },
});
