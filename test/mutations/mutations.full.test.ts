import { expect, it } from 'vitest';
import { MUTATIONS } from './mutations.ts';
import { tryMutations } from './try-mutations.ts';

it('the suite notices every planted fault', async () => {
  expect(MUTATIONS.length).toBeGreaterThanOrEqual(20);
  const missed: string[] = [];
  await tryMutations(MUTATIONS, ({ fault, file }, outcome) => {
    console.log(`${outcome.result.padEnd(8)}  ${fault}`);
    if (outcome.result === 'survived') missed.push(`survived: ${file}: ${fault}`);
    if (outcome.result === 'invalid') missed.push(`${outcome.reason}: ${file}: ${fault}`);
  });
  expect(missed).toEqual([]);
});
