/** A million versions of a routine leave nothing behind. */
import { it } from 'vitest';
import { expectBounded } from './many-versions.ts';

it('a million versions of a routine in one place', () => expectBounded(1_000_000, 1));
it('and as many in 200 places in turn', () => expectBounded(1_000_000, 200));
