/** Faults in the index of blocks, and in what guests share of a boot image. */
import type { Mutation } from './mutations.ts';

const INDEX = 'test/unit/engine/interpreter/block-index.test.ts';
const IMAGES = 'test/unit/machine/image-store.test.ts';

export const BLOCK_INDEX_MUTATIONS: readonly Mutation[] = [
  {
    fault: 'a block that is stale is still found by its key',
    file: 'src/engine/interpreter/block-index.ts',
    original: 'while (good !== 0 && this.isStale(good)) good =',
    planted: 'while (good === 0.5) good =',
    tests: [INDEX],
  },
  {
    fault: 'the chains of the two pages of a block are one',
    file: 'src/engine/interpreter/block-index.ts',
    original: 'return firstPage(this.key(block)) === page ? HEADER.nextOfPage : HEADER.nextOfCrossing;',
    planted: 'return page >= 0 ? HEADER.nextOfPage : HEADER.nextOfCrossing;',
    tests: [INDEX],
  },
  {
    fault: 'what crosses into the next page is not remembered',
    file: 'src/engine/interpreter/block-index.ts',
    original: '((crossing?.end ?? 0) << FLAG.CROSSING_SHIFT) | (cutOff',
    planted: '(cutOff',
    tests: [INDEX, 'test/conformance/engines/self-modifying-code.test.ts'],
  },
  {
    fault: 'a boot image stays the memory of whoever gave it',
    file: 'src/machine/image-store.ts',
    original: 'const copy = new Uint8Array(bytes);',
    planted: 'const copy = bytes;',
    tests: [IMAGES],
  },
  {
    fault: 'boot images of the same size are taken for the same',
    file: 'src/machine/image-store.ts',
    original: 'if (left[index] !== right[index]) return false;',
    planted: 'if (left[index] === undefined) return false;',
    tests: [IMAGES],
  },
];
