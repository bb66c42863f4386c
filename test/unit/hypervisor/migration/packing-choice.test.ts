import { describe, expect, it } from 'vitest';
import { PackingChoice } from '../../../../src/hypervisor/migration/packing-choice.ts';

/** `sending` and `packing`: ms for 100 bytes; `left`: bytes that remain of them. @returns what it does, after it has tried both */
function choose({ sending, packing, left }: { sending: number; packing: number; left: number }, count = 30): boolean[] {
  const choice = new PackingChoice();
  return Array.from({ length: count }, () => {
    const { packs } = choice;
    if (packs) choice.packed({ bytes: 100, packed: left, took: packing });
    choice.sent({ bytes: 100, took: sending });
    return packs;
  });
}

describe('deflating', () => {
  it('is tried first, and done where the way is slow', () => {
    expect(choose({ sending: 10, packing: 1, left: 50 })).not.toContain(false);
  });

  it('is left out where sending takes less time, or nothing is saved', () => {
    expect(choose({ sending: 0.1, packing: 1, left: 50 }).slice(1)).not.toContain(true);
    expect(choose({ sending: 10, packing: 1, left: 100 }).slice(1)).not.toContain(true);
  });

  it('what was not chosen is tried again now and then', () => {
    const tried = choose({ sending: 0.1, packing: 1, left: 50 }, 100);
    expect(tried.filter((packs) => packs)).toHaveLength(4);
  });
});
