import { describe, expect, it } from 'vitest';
import { BytesStore } from '../../../src/storage/bytes-store.ts';
import { sniffImage } from '../../../src/storage/sniff-image.ts';
import { lateStore } from '../../support/late-store.ts';
import { emptyQcow2 } from '../../support/memory-images.ts';

/** `size` bytes with parts set: numbers are bytes, text is text. */
function file(size: number, parts: Readonly<Record<number, string | readonly number[]>> = {}): BytesStore {
  const bytes = new Uint8Array(size);
  for (const [at, part] of Object.entries(parts)) {
    bytes.set(typeof part === 'string' ? new TextEncoder().encode(part) : part, Number(at));
  }
  return new BytesStore(bytes);
}

const BOOTABLE = [0x55, 0xaa];
const PARTITION = [0x80, 1, 1, 0, 0x83, 0, 0, 0, 0x3f, 0, 0, 0, 0, 1, 0, 0];
const MULTIBOOT = [0x02, 0xb0, 0xad, 0x1b, 3, 0, 0, 0, 0xfb, 0x4f, 0x52, 0xe4];

describe('what a file is', () => {
  const cases: [kind: string, format: string, store: BytesStore][] = [
    ['empty', 'raw', file(0)],
    ['qcow2', 'qcow2', emptyQcow2({ size: 1e6 })],
    ['vmdk', 'vmdk', file(4096, { 0: 'KDMV' })],
    ['vmdk', 'vmdk', file(600, { 0: '# Disk DescriptorFile\nversion=1\n' })],
    ['vdi', 'vdi', file(4096, { 0: '<<< Oracle VM VirtualBox', 64: [0x7f, 0x10, 0xda, 0xbe] })],
    ['vhd', 'vhd', file(4096, { 0: 'conectix' })],
    ['vhd', 'vhd', file(4096, { 510: BOOTABLE, 446: PARTITION, 3584: 'conectix' })],
    ['iso', 'raw', file(0x10000, { 32769: 'CD001' })],
    ['iso', 'raw', file(0x10000, { 32769: 'CD001', 510: BOOTABLE, 446: PARTITION })],
    ['bzimage', 'raw', file(0x10000, { 510: BOOTABLE, 514: 'HdrS' })],
    ['gzip', 'raw', file(100, { 0: [0x1f, 0x8b, 8] })],
    ['floppy', 'raw', file(1440 * 1024)],
    ['floppy', 'raw', file(160 * 1024, { 510: BOOTABLE })],
    ['floppy', 'raw', file(2880 * 1024)],
    ['disk', 'raw', file(1e6, { 510: BOOTABLE, 446: PARTITION })],
    ['disk', 'raw', file(1e6, { 512: 'EFI PART' })],
    ['multiboot', 'raw', file(9000, { 8180: MULTIBOOT })],
    ['multiboot', 'raw', file(9000, { 0: '\x7fELF', 4: MULTIBOOT })],
    ['elf', 'raw', file(9000, { 0: '\x7fELF' })],
    ['elf', 'raw', file(9000, { 0: '\x7fELF', 8192: MULTIBOOT })],
    ['raw', 'raw', file(1e6, { 510: BOOTABLE })],
    ['raw', 'raw', file(3)],
    ['raw', 'raw', file(9000, { 510: BOOTABLE, 446: [1, ...PARTITION.slice(1)] })],
  ];
  it.each(cases)('%s, read as %s', async (kind, format, store) => {
    expect(sniffImage(store)).toEqual({ kind, format });
    expect(await sniffImage(lateStore(store))).toEqual({ kind, format });
  });
});
