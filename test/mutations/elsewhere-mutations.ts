/** Faults to plant where pages of memory are elsewhere: in a snapshot's file, in swap. */
import type { Mutation } from './mutations.ts';

const MEMORY = 'src/memory/guest-memory.ts';
const MMU = 'src/cpu/tlb-mmu.ts';
const MEMORY_TEST = 'test/unit/memory/elsewhere.test.ts';
const MACHINE_TEST = 'test/unit/machine/swap.test.ts';

export const ELSEWHERE_MUTATIONS: readonly Mutation[] = [
  {
    fault: 'a page that was given back comes back from where it was',
    file: MEMORY,
    original: 'if (this.#has(page, ELSEWHERE)) {\n      this.#clearAttributes',
    planted: 'if (false) {\n      this.#clearAttributes',
    tests: [MEMORY_TEST],
  },
  {
    fault: 'a copy does not know where pages are',
    file: MEMORY,
    original: 'this.#elsewhere.copyFrom(other.#elsewhere);',
    planted: '',
    tests: [MEMORY_TEST],
  },
  {
    fault: 'what was sent elsewhere after a checkpoint is not put back',
    file: MEMORY,
    original:
      'else if ((one & ELSEWHERE) !== 0 && !this.#elsewhere.isSame(page, copy.#elsewhere)) this.#takePage(page, copy);',
    planted: '',
    tests: [MEMORY_TEST],
  },
  {
    fault: 'pages go under the translations of them',
    file: 'src/memory/cold-pages.ts',
    original: 'this.#translations.withholdFrames(this.#park(count, NONE))',
    planted: 'this.#park(count, NONE)',
    tests: [MACHINE_TEST],
  },
  {
    fault: 'a page that comes back is looked for in the page tables',
    file: MMU,
    original: 'if (!found) return undefined;',
    planted: 'if (found || !found) return undefined;',
    tests: [MACHINE_TEST],
  },
  {
    fault: 'a flush leaves translations of pages that went',
    file: MMU,
    original: 'if (this.#withheld.size > 0) this.#withheld.drop(slot);\n  }\n\n  #isUser',
    planted: '}\n\n  #isUser',
    tests: [MACHINE_TEST],
  },
];
