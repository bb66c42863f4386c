/** Faults to plant where pages are shared, and where memory is short. */
import type { Mutation } from './mutations.ts';

const MEMORY = 'src/memory/guest-memory.ts';
const SCANNER = 'src/memory/page-scanner.ts';
const HOST = 'src/hypervisor/shares/host-memory.ts';
const SCANNER_TEST = 'test/unit/memory/page-scanner.test.ts';
const SHARING_TEST = 'test/unit/machine/page-sharing.test.ts';
const HOST_TEST = 'test/unit/hypervisor/shares/host-memory.test.ts';

export const SHARING_MUTATIONS: readonly Mutation[] = [
  {
    fault: 'translations by which the page that stays can be written are kept',
    file: 'src/cpu/tlb-mmu.ts',
    original: '      this.withholdWrites(frame);\n      if (what',
    planted: '      if (what',
    tests: [SHARING_TEST],
  },
  {
    fault: 'translations of the page that goes are kept for reads',
    file: 'src/cpu/tlb-mmu.ts',
    original: "if (what === 'all') this.#dropReads(frame);",
    planted: '',
    tests: [SHARING_TEST],
  },
  {
    fault: 'pages are merged by their hash alone',
    file: SCANNER,
    original: 'if (!this.#areEqual(own, there)) return false;',
    planted: '',
    tests: [SCANNER_TEST],
  },
  {
    fault: 'the page that stays is not marked as shared',
    file: MEMORY,
    original: '    other.#setAttributes(otherPage, SHARED);\n',
    planted: '',
    tests: [SCANNER_TEST],
  },
  {
    fault: 'the frame that goes is kept',
    file: MEMORY,
    original: '    this.#pool.frames.free(own);\n',
    planted: '',
    tests: [SCANNER_TEST],
  },
  {
    fault: 'a page that was parted is merged again at once',
    file: SCANNER,
    original: 'needed[page] = Math.min(2 * needed[page], LONGEST_CALM);',
    planted: '',
    tests: [SCANNER_TEST],
  },
  {
    fault: 'a copy of a shared page does not count against the limit of the pool',
    file: MEMORY,
    original: '    // It holds no more frames than before, but the pool does.\n    this.#checkLimits();\n',
    planted: '',
    tests: ['test/unit/memory/page-scanner.test.ts'],
  },
  {
    fault: 'a balloon that does not give is waited for each time',
    file: HOST,
    original: 'record.distrustedUntil = time + record.distrust;',
    planted: '',
    tests: [HOST_TEST],
  },
  {
    fault: 'what balloons have given is handed back as soon as there is a little',
    file: HOST,
    original: 'high: 4 / 25',
    planted: 'high: 1 / 25',
    tests: [HOST_TEST],
  },
];
