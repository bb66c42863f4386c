import { it } from 'vitest';
import { fuzzIde } from '../../../support/ide-fuzz.ts';

it('thirty thousand deeds of a hostile driver, of many accesses each', () => fuzzIde(30_000));
