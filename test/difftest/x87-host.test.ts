import { describe, expect, it } from 'vitest';
import { hostMake, hostOracleUnavailable } from '../../src/difftest/host/host-oracle.ts';
import { X87_OPERATIONS } from '../support/x87-operations.ts';
import { compareX87 } from './compare-x87.ts';

// The helpers follow AMD's CPUs where makers differ (what an unmasked exception leaves of a comparison).
const usable = hostOracleUnavailable() === undefined && hostMake() === 'amd';

describe.skipIf(!usable)('x87 instructions leave what the CPU of this host does', () => {
  it.each(X87_OPERATIONS)('$name', async (operation) => {
    const { helper, host, shown } = await compareX87(operation, { vectors: 1000, withHost: true });
    expect([helper, host, ...shown]).toEqual([0, 0]);
  });
});
