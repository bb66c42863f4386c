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
const MULTIBOOT_2 = [0xd6, 0x50, 0x52, 0xe8, 0, 0, 0, 0, 24, 0, 0, 0, 0x12, 0xaf, 0xad, 0x17];
const MULTIBOOT = [0x02, 0xb0, 0xad, 0x1b, 3, 0, 0, 0, 0xfb, 0x4f, 0x52, 0xe4];

/** Something at places; the rest is no text. */
function filled(pieces: Readonly<Record<number, string | readonly number[]>>, size = 4096): BytesStore {
  const bytes = new Uint8Array(size).fill(0x90);
  for (const [at, piece] of Object.entries(pieces))
    bytes.set(typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece, Number(at));
  return new BytesStore(bytes);
}
const text = (content: string): BytesStore => new BytesStore(new TextEncoder().encode(content));
const PE = { 0: 'MZ', 60: [0x80, 0, 0, 0], 128: 'PE\0\0' };

describe('U9: what a file is, in words', () => {
  it.each<[string, BytesStore]>([
    ['empty', new BytesStore()],
    ['nothing but zeros', new BytesStore(new Uint8Array(512))],
    ['an ELF file', filled({ 0: '\x7fELF\x02\x01\x01' })],
    ['a program for Windows or UEFI (PE)', filled(PE)],
    ['a program for DOS (MZ)', filled({ 0: 'MZ\x00\x01\x08\x00' })],
    ['a CD image (ISO 9660)', filled({ 0: PE[0], 510: BOOTABLE, 32769: 'CD001' }, 0x9000)],
    ['a disk image (GPT)', filled({ 510: BOOTABLE, 512: 'EFI PART' })],
    ['a disk image (qcow2)', filled({ 0: 'QFI\xfb\0\0\0\x03' })],
    ['a disk image (VMDK)', filled({ 0: 'KDMV' })],
    ['a disk image (VHDX)', filled({ 0: 'vhdxfile' })],
    ['a floppy disk image, by its size', filled({ 54: 'FAT12   ', 510: BOOTABLE }, 1_474_560)],
    ['a disk image (FAT)', filled({ 54: 'FAT16   ', 510: BOOTABLE }, 0x4_0000)],
    ['a file system (FAT)', filled({ 54: 'FAT16   ' }, 0x4_0000)],
    ['a disk image (NTFS)', filled({ 3: 'NTFS    ', 510: BOOTABLE }, 0x4_0000)],
    ['a disk image (with partitions)', filled({ 446: [...PARTITION, ...Array(48).fill(0)], 510: BOOTABLE })],
    ['a file system (ext2, ext3 or ext4)', filled({ 1080: [0x53, 0xef] }, 0x2_0000)],
    ['an initial RAM disk (cpio)', filled({ 0: '07070100000000' })],
    ['compressed with gzip', filled({ 0: '\x1f\x8b\x08\x00' })],
    ['compressed with xz', filled({ 0: '\xfd7zXZ\0' })],
    ['compressed with zstd', filled({ 0: [0x28, 0xb5, 0x2f, 0xfd] })],
    ['a zip archive', filled({ 0: 'PK\x03\x04' })],
    ['a tar archive', filled({ 257: 'ustar' })],
    ['a package or library (ar)', filled({ 0: '!<arch>\n' })],
    ['a kernel for ARM', filled({ ...PE, 56: 'ARM\x64' })],
    ['a picture', filled({ 0: '\x89PNG\r\n\x1a\n' })],
    ['text', text('#!/bin/sh\necho hello\n')],
    ['text', text('ja\n')],
    ['text', text('Größe: 10 €. '.repeat(1000))],
    ['text', filled({ 0: [0xff, 0xfe] })],
    ['a boot sector', filled({ 54: 'FAT12   ', 510: BOOTABLE }, 512)],
    ['something behind a boot sector', filled({ 0: 'MZ', 510: BOOTABLE })],
    ['nothing that is known here', new BytesStore(Uint8Array.of(0xeb, 0xfe))],
    ['nothing that is known here', text('@')],
    ['nothing that is known here', filled({ 0: 'MZ' })],
  ])('%s', (what, store) => {
    expect(sniffImage(store)).toMatchObject({ what });
  });
});

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
    ['compressed', 'raw', file(100, { 0: [0x1f, 0x8b, 8] })],
    ['floppy', 'raw', file(1440 * 1024)],
    ['floppy', 'raw', file(160 * 1024, { 510: BOOTABLE })],
    ['floppy', 'raw', file(2880 * 1024)],
    ['disk', 'raw', file(1e6, { 510: BOOTABLE, 446: PARTITION })],
    ['disk', 'raw', file(1e6, { 446: PARTITION, 510: BOOTABLE, 2908: MULTIBOOT })],
    ['multiboot', 'raw', file(1e6, { 510: BOOTABLE, 2908: MULTIBOOT })],
    ['multiboot', 'raw', file(1e6, { 446: PARTITION, 2908: MULTIBOOT })],
    ['disk', 'raw', file(1e6, { 512: 'EFI PART' })],
    ['multiboot', 'raw', file(9000, { 8180: MULTIBOOT })],
    ['multiboot', 'raw', file(9000, { 0: '\x7fELF', 4: MULTIBOOT })],
    ['multiboot 2', 'raw', file(9000, { 0: '\x7fELF', 16: MULTIBOOT_2 })],
    ['elf', 'raw', file(9000, { 0: '\x7fELF' })],
    ['elf', 'raw', file(9000, { 0: '\x7fELF', 16: [...MULTIBOOT.slice(0, -1), 1] })],
    ['elf', 'raw', file(9000, { 0: '\x7fELF', 8192: MULTIBOOT })],
    ['bootable', 'raw', file(1e6, { 510: BOOTABLE })],
    ['zeros', 'raw', file(3)],
    ['bootable', 'raw', file(9000, { 510: BOOTABLE, 446: [1, ...PARTITION.slice(1)] })],
  ];
  it.each(cases)('%s, read as %s', async (kind, format, store) => {
    expect(sniffImage(store)).toMatchObject({ kind, format });
    expect(await sniffImage(lateStore(store))).toMatchObject({ kind, format });
  });
});
