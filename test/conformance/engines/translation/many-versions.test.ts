/** 10^5 versions of a routine leave nothing behind. `many-versions.full.test.ts` makes ten times as many. */
import { it } from 'vitest';
import { expectBounded } from './many-versions.ts';

it('100 000 versions of a routine in 64 places in turn', () => expectBounded(100_000, 64));
