import { describe, expect, it } from 'vitest';
import { MOST_PLACES, noExits, RegionLedger } from '../../../../src/engine/profile/region-ledger.ts';

const origin = (physical: number, user = false) => ({ physical, linear: physical + 0xc000_0000, user });
const figures = (retired: number) => ({
  instructions: 5,
  entered: 1,
  retired,
  refused: 0,
  exits: { ...noExits(), branch: 2 },
});

describe('RegionLedger', () => {
  it('adds up what is gone and what is at work, by place and privilege, the greatest first', () => {
    const ledger = new RegionLedger();
    ledger.add(origin(0x1000), figures(10));
    ledger.add(origin(0x1000), figures(20));
    ledger.add(origin(0x1000, true), figures(7));
    const live = { origin: { ...origin(0x1000), linear: 0xd000_1000 }, figures: figures(100) };
    const { regions, others } = ledger.withLive([live]);
    expect(
      regions.map(({ linked, linear, user, retired, entered, exits }) => [
        linked,
        linear,
        user,
        retired,
        entered,
        exits.branch,
      ]),
    ).toEqual([
      [3, 0xd000_1000, false, 130, 3, 6],
      [1, 0xc000_1000, true, 7, 1, 2],
    ]);
    expect(others.linked).toBe(0);
    // To look changes nothing.
    expect(ledger.withLive([]).regions[0].retired).toBe(30);
  });

  it('keeps a bounded number of places; nothing of the others is lost', () => {
    const ledger = new RegionLedger();
    for (let place = 0; place < MOST_PLACES + 10; place++) ledger.add(origin(place), figures(1));
    const live = Array.from({ length: 5 }, (_, index) => ({ origin: origin(1e6 + index), figures: figures(2) }));
    const { regions, others } = ledger.withLive(live);
    expect(regions).toHaveLength(MOST_PLACES);
    expect(regions.slice(0, 6).map(({ retired }) => retired)).toEqual([2, 2, 2, 2, 2, 1]);
    expect([others.linked, others.retired, others.exits.branch]).toEqual([15, 15, 30]);
  });
});
