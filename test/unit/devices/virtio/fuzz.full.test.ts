import { it } from 'vitest';
import { fuzzVirtio } from '../../../support/virtio-fuzz.ts';

it('a million random accesses and hostile rings', () => fuzzVirtio(1_000_000));
