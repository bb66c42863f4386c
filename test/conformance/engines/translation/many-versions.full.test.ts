/** A million versions of a routine leave nothing behind. */
import { it } from 'vitest';
import { expectBounded } from './many-versions.ts';

it('a million versions of a routine in one place', () => expectBounded(1_000_000, 1));
it('and a fifth as many in 200 places in turn', () => expectBounded(200_000, 200));
