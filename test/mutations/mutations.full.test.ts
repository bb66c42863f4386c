import { expect, it } from 'vitest';
import { MUTATIONS } from './mutations.ts';
import { tryMutations } from './try-mutations.ts';

it('the suite notices every planted fault', async () => {
  expect(MUTATIONS.length).toBeGreaterThanOrEqual(20);
  const missed = await tryMutations(MUTATIONS, ({ fault }, { result }) => console.log(`${result.padEnd(8)}  ${fault}`));
  expect(missed.map(({ file, fault }) => `${file}: ${fault}`)).toEqual([]);
});
