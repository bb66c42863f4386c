import { it } from 'vitest';
import { fuzzFwCfg } from '../../support/fw-cfg.ts';

it('a million random accesses to fw_cfg', () => fuzzFwCfg(1_000_000));
