import { configDefaults, defineConfig } from 'vitest/config';
import { longestFirst } from './longest-first.ts';

const LONGEST = [
  ...['test/conformance/engines/translation/', 'lowering/interrupt-functions.test', 'test/golden/transfers.test'],
  ...['test/cli/completion.test', 'boot-media-fuzz.test', 'test/difftest/difftest.test'],
];

export default defineConfig({
  test: {
    root: '.',
    include: ['test/**/*.test.ts'],
    exclude: [...configDefaults.exclude, 'test/**/*.full.test.ts'],
    sequence: { sequencer: longestFirst(LONGEST) },
    passWithNoTests: true,
    // To end what hangs: the longest take twenty seconds of processor time, and other files run beside them.
    testTimeout: 180_000,
    // A process that has seen many guests takes its time to let go of their memory.
    teardownTimeout: 120_000,
    // Files share the modules of their process, and with them compiled code: nothing in `src` keeps state in a module.
    isolate: false,
    maxWorkers: '100%',
  },
});
