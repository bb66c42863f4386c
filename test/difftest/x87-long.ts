// Compares the x87's emitted functions with the BigInt helpers, and both with the host's CPU, on random states:
//   npm run check:long [-- vectors of each operation [word of an operation's name …]]
// Ten million vectors of each operation, if nothing else is said. Exit status 1 if anything differs, 2 if arguments are
// wrong.
import { hostOracleUnavailable } from '../../src/difftest/host/host-oracle.ts';
import { X87_OPERATIONS } from '../support/x87-operations.ts';
import { compareX87 } from './compare-x87.ts';

const DEFAULT_VECTORS = 10_000_000;

const [countText, ...words] = process.argv.slice(2);
const vectors = countText === undefined ? DEFAULT_VECTORS : Number(countText);
if (!Number.isInteger(vectors) || vectors <= 0) refuse(`'${countText}' is no number of vectors`);
for (const word of words)
  if (!X87_OPERATIONS.some(({ name }) => name.includes(word))) refuse(`no operation's name contains '${word}'`);
const unavailable = hostOracleUnavailable();
if (unavailable) console.log(`without a host CPU to compare with: ${unavailable}`);
let [wrong, all] = [0, 0];
for (const operation of X87_OPERATIONS) {
  if (words.length > 0 && !words.some((word) => operation.name.includes(word))) continue;
  const { helper, host, declined, run, shown } = await compareX87(operation, {
    vectors,
    withHost: unavailable === undefined,
  });
  wrong += helper + host;
  all += run;
  console.log(
    `${operation.name.padEnd(22)} ${run} vectors, ${helper} unlike the helper, ${unavailable ? '-' : host} unlike the host, ${declined} declined`,
  );
  for (const text of shown) console.log(`    ${text}`);
}
console.log(`${all} vectors, ${wrong} mismatches`);
process.exitCode = wrong > 0 ? 1 : 0;

function refuse(problem: string): never {
  console.error(`${problem}; usage: npm run check:long -- [vectors] [word …]`);
  process.exit(2);
}
