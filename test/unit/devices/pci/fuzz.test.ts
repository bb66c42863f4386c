import { describe, it } from 'vitest';
import { PCI_BENCHES } from '../../../support/pci-accesses.ts';
import { fuzzPciChip } from '../../../support/pci-fuzz.ts';

describe('a hundred thousand random accesses', () => {
  it.each(Object.entries(PCI_BENCHES))('%s', (_, create) => fuzzPciChip(create, 100_000));
});
