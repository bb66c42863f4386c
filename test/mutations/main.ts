// npm run mutations [-- word …]: plants each fault of mutations.ts (those whose description or file contains a word, if
// any is given) and shows which test notices it. Exit status 1 if one goes unnoticed or its text is no longer there,
// 2 if no fault is meant.
import { MUTATIONS } from './mutations.ts';
import { tryMutations } from './try-mutations.ts';

const words = process.argv.slice(2);
const chosen = MUTATIONS.filter(
  ({ fault, file }) => words.length === 0 || words.some((word) => fault.includes(word) || file.includes(word)),
);
if (chosen.length === 0) {
  console.error(`no fault's description or file contains ${words.map((word) => `'${word}'`).join(' or ')}`);
  process.exit(2);
}
const missed = await tryMutations(chosen, ({ fault, file }, outcome) => {
  console.log(`${outcome.result.padEnd(8)}  ${file}: ${fault}`);
  if (outcome.result === 'killed') console.log(`          by: ${outcome.by}`);
  if (outcome.result === 'invalid') console.log(`          ${outcome.reason}`);
});
console.log(`${chosen.length - missed.length} of ${chosen.length} planted faults were noticed`);
process.exitCode = missed.length > 0 ? 1 : 0;
