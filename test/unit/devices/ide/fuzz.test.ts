import { it } from 'vitest';
import { fuzzIde } from '../../../support/ide-fuzz.ts';

it('fifteen thousand deeds of a hostile driver, of many accesses each', () => fuzzIde(15_000));
