import { it } from 'vitest';
import { fuzzIde } from '../../../support/ide-fuzz.ts';

it('a million deeds of a hostile driver, of many accesses each', () => fuzzIde(1_000_000));
