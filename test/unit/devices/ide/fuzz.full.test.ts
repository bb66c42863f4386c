import { it } from 'vitest';
import { fuzzIde } from '../../../support/ide-fuzz.ts';

it('a hundred and fifty thousand deeds of a hostile driver, of many accesses each', () => fuzzIde(150_000));
