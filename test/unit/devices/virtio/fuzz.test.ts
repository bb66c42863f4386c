import { it } from 'vitest';
import { fuzzVirtio } from '../../../support/virtio-fuzz.ts';

it('twenty thousand random accesses and hostile rings', () => fuzzVirtio(20_000));
