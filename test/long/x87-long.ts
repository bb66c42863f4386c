/**
 * Compares the x87's emitted functions with the BigInt helpers, and both with the host's CPU, on random states. Arguments:
 * vectors of each operation (ten million, if nothing else is said), words of operations' names.
 */
import { hostOracleUnavailable } from '../../src/difftest/host/host-oracle.ts';
import { compareX87 } from '../difftest/compare-x87.ts';
import { X87_OPERATIONS } from '../support/x87-operations.ts';
import type { LongCheck } from './long-check.ts';

const DEFAULT_VECTORS = 10_000_000;

export const x87Long: LongCheck = async ([countText, ...words], refuse) => {
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
  return wrong === 0;
};
