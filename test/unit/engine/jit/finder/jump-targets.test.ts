import { expect, it } from 'vitest';
import { JumpTargets } from '../../../../../src/engine/jit/finder/jump-targets.ts';

const JUMP = 0x1234;

it('targets of a jump are remembered by their distances, each once', () => {
  const targets = new JumpTargets();
  for (const distance of [5, -9, 5]) targets.add(JUMP, distance);
  targets.add(JUMP + 1, 7);
  expect([...targets.of(JUMP)]).toEqual([5, -9]);
  expect([...targets.of(JUMP + 1)]).toEqual([7]);
  expect([...targets.of(JUMP + 2)]).toEqual([]);
  targets.clear();
  expect([...targets.of(JUMP)]).toEqual([]);
});

it('of too many the oldest are forgotten', () => {
  const targets = new JumpTargets();
  for (let distance = 0; distance < 70; distance++) targets.add(JUMP, distance);
  expect([...targets.of(JUMP)]).toEqual(Array.from({ length: 64 }, (_, index) => 6 + index));
});

it('of too many jumps all are forgotten', () => {
  const targets = new JumpTargets();
  for (let jump = 0; jump < 5000; jump++) targets.add(jump, 1);
  const known = Array.from({ length: 5000 }, (_, jump) => [...targets.of(jump)].length);
  expect(known.reduce((sum, one) => sum + one)).toBe(5000 - 4096);
  expect(known.at(-1)).toBe(1);
});
