/** Faults to plant where RAM trades places with what is behind it, and where PCI functions claim ranges. */
import type { Mutation } from './mutations.ts';

const MEMORY = 'src/memory/guest-memory.ts';
const PROCESSOR = 'src/engine/processor.ts';
const PCI_BUS = 'src/bus/pci/pci-bus.ts';
const POWER = 'src/devices/pci/piix4-power.ts';
const MACHINE_TEST = 'test/unit/machine/pci.test.ts';
const DISCARD_TEST = 'test/conformance/system/discarded-pages.test.ts';
const POWER_TEST = 'test/unit/devices/pci/piix4-power.test.ts';

export const PCI_MUTATIONS: readonly Mutation[] = [
  {
    fault: 'translations of RAM that was switched off are kept',
    file: PROCESSOR,
    original: "this.mmu.flush('all');\n    this.spend(COST.ROUTED);",
    planted: 'this.spend(COST.ROUTED);',
    tests: [MACHINE_TEST],
  },
  {
    fault: 'code decoded from a page outlives it',
    file: MEMORY,
    original: 'this.onWatchedWrite(page, 0, PAGE_SIZE);\n    const frame',
    planted: 'const frame',
    tests: [MACHINE_TEST],
  },
  {
    fault: 'translations of pages that were given back are kept',
    file: PROCESSOR,
    original: 'this.memory.onDiscarded = () => this.#forgetFrames();',
    planted: '',
    tests: [DISCARD_TEST],
  },
  {
    fault: 'code decoded from a page that was given back outlives it',
    file: MEMORY,
    original: 'if (this.#has(page, WATCHED)) this.onWatchedWrite(page, 0, PAGE_SIZE);\n    this.#releaseFrame(',
    planted: 'this.#releaseFrame(',
    tests: [DISCARD_TEST],
  },
  {
    fault: 'RAM that is switched off loses what is in it',
    file: MEMORY,
    original: 'else this.#hidden.set(page, { reads, writes, frame });',
    planted: 'else this.#hidden.set(page, { reads, writes, frame: 0 });',
    tests: ['test/unit/memory/ram-routing.test.ts'],
  },
  {
    fault: 'a range that moved still answers where it was',
    file: PCI_BUS,
    original: 'for (const { unmap } of mapped) unmap();',
    planted: '',
    tests: ['test/unit/bus/pci/pci-bus.test.ts'],
  },
  {
    fault: 'the timer overflows once a period, not twice',
    file: POWER,
    original: 'const HALF_PERIOD = 2 ** 23;',
    planted: 'const HALF_PERIOD = 2 ** 24;',
    tests: [POWER_TEST],
  },
  {
    fault: 'SUS_TYP is not looked at',
    file: POWER,
    original: ' && extract(state.control, SUS_TYP) === SUS_SOFT_OFF',
    planted: '',
    tests: [POWER_TEST],
  },
];
