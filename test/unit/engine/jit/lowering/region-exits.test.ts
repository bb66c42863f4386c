import { expect, it } from 'vitest';
import { REGION_EXIT } from '../../../../../src/engine/blocks/region-entry.ts';
import { type RegionExit, RegionExits } from '../../../../../src/engine/jit/lowering/region-exits.ts';

const exit = (parts: Partial<RegionExit> = {}): RegionExit => ({
  cause: 'memory',
  trace: 0,
  offset: 0x20,
  retired: 3,
  ...parts,
});

it('exits that are the same have one place, and others one of their own', () => {
  const exits = new RegionExits(12);
  const all = [exit(), exit({ offset: 0x21 }), exit({ retired: 2 }), exit({ cause: 'budget' })];
  const places = all.map((one) => exits.at(one));
  expect(places).toEqual([0, 1, 2, 3].map((index) => 12 + index * REGION_EXIT.SIZE));
  expect(all.map((one) => exits.at({ ...one }))).toEqual(places);
  expect(exits.list).toEqual(all);
});
