import { describe, expect, it } from 'vitest';
import { askDonors, type Donor, nextToRelieve } from '../../../../src/hypervisor/shares/balloon-policy.ts';

const donor = (name: string, options: Partial<Donor> = {}): Donor & { readonly name: string } => ({
  ...{
    name,
    weight: 1,
    inUse: 100,
    activity: 1,
    asked: 0,
    given: 0,
    available: 100,
    answered: true,
    memory: 256,
    reserved: 0,
  },
  ...options,
});
const asked = (wanted: number, ...donors: ReturnType<typeof donor>[]): Record<string, number> =>
  Object.fromEntries([...askDonors(donors, wanted)].map(([{ name }, amount]) => [name, amount]));

describe('memory is asked of', () => {
  it('who is idle before who is busy', () => {
    expect(asked(40, donor('busy'), donor('idle', { activity: 0 }))).toEqual({ idle: 40 });
  });

  it('who holds more, until both have the same', () => {
    expect(asked(40, donor('large', { inUse: 140 }), donor('small'))).toEqual({ large: 40 });
    const both = asked(80, donor('large', { inUse: 140 }), donor('small'));
    expect(both.large - both.small).toBe(40);
  });

  it('who has less weight', () => {
    expect(asked(20, donor('heavy', { weight: 4 }), donor('light'))).toEqual({ light: 20 });
  });

  it('nobody for more than a part of what it has left, nor for its last', () => {
    expect(asked(500, donor('a', { available: 40 }), donor('b', { memory: 64, given: 30, asked: 30 }))).toEqual({
      a: 30,
      b: 48,
    });
    expect(asked(500, donor('silent', { available: undefined }))).toEqual({ silent: 25 });
    expect(asked(10, donor('small', { memory: 16 }))).toEqual({});
    expect(asked(500, donor('reserved', { reserved: 200 }))).toEqual({ reserved: 56 });
  });

  it('nobody who has yet to give, or to answer; what is to come counts', () => {
    expect(asked(40, donor('slow', { asked: 30, given: 10 }), donor('other'))).toEqual({ other: 20 });
    expect(asked(10, donor('slow', { asked: 30, given: 10 }), donor('other'))).toEqual({});
    expect(asked(10, donor('mute', { answered: false }))).toEqual({});
  });
});

it('it is handed back to who is busiest, and has least for its weight', () => {
  const [idle, busy, none] = [
    donor('idle', { activity: 0, asked: 20 }),
    donor('busy', { asked: 20 }),
    donor('none', { weight: 9 }),
  ];
  expect(nextToRelieve([idle, busy, none])?.name).toBe('busy');
  expect(nextToRelieve([none])).toBeUndefined();
});
