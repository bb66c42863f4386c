import { describe, expect, it } from 'vitest';
import { REGION_TABLE_SIZE } from '../../../../../src/engine/blocks/region-entry.ts';
import { RegionTable } from '../../../../../src/engine/jit/cache/region-table.ts';
import { CodeWriter } from '../../../../../src/wasm/code-writer.ts';
import { ModuleBuilder } from '../../../../../src/wasm/module-builder.ts';

function aFunction(): CallableFunction {
  const module = new ModuleBuilder();
  const declared = module.declare({ parameters: [], results: [] }, 'nothing');
  module.define(declared, new CodeWriter(0));
  module.export('nothing', declared);
  return new WebAssembly.Instance(new WebAssembly.Module(module.finish())).exports.nothing as CallableFunction;
}

describe('the table of regions', () => {
  it('has room for so many, without slot 0, and says when it is full', () => {
    const regions = new RegionTable();
    const slots = new Set<number>();
    const compiled = aFunction();
    for (let count = 1; count < REGION_TABLE_SIZE; count++) {
      expect(regions.isFull).toBe(false);
      slots.add(regions.add(compiled));
    }
    expect([slots.size, slots.has(0), regions.isFull]).toEqual([REGION_TABLE_SIZE - 1, false, true]);
    expect(regions.add(compiled)).toBe(0);
    expect(regions.table.get(0)).toBeNull();
  });

  it('uses slots again, and lets go of what was there', () => {
    const regions = new RegionTable();
    const [first, second] = [aFunction(), aFunction()];
    const slot = regions.add(first);
    expect(regions.table.get(slot)).toBe(first);
    regions.remove(slot);
    expect(regions.table.get(slot)).toBeNull();
    expect([regions.add(second), regions.table.get(slot)]).toEqual([slot, second]);
  });
});
