/** CDs and disks with boot loaders of Debian's on them, that boot Debian's kernel; made of packages on this machine. */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { COMMAND_LINE } from './debian.ts';

const ISOLINUX = '/usr/lib/ISOLINUX';
const MODULES = '/usr/lib/syslinux/modules/bios';
const MBR = '/usr/lib/SYSLINUX/mbr.bin';
const GRUB = '/usr/lib/grub/i386-pc/cdboot.img';
const program = (name: string) => `/usr/bin/${name}`;

/** What is needed of the machine. */
const NEEDS = {
  'grub-mkrescue': [program('grub-mkrescue'), GRUB, program('xorriso'), program('mformat')],
  ISOLINUX: [...[program('xorriso'), `${ISOLINUX}/isolinux.bin`, `${ISOLINUX}/isohdpfx.bin`], `${MODULES}/ldlinux.c32`],
  SYSLINUX: [program('syslinux'), program('mformat'), program('mcopy'), MBR],
} as const;
export type BootLoader = keyof typeof NEEDS;

/** Why an image cannot be made; undefined: it can. */
export function missingFor(loader: BootLoader): string | undefined {
  const missing = NEEDS[loader].find((path) => !existsSync(path));
  return missing && `no ${missing}`;
}

/** With `timeout` 0, or what means the same, they ask nobody. */
const SYSLINUX_CONFIGURATION = `DEFAULT linux\nPROMPT 0\nLABEL linux\nKERNEL /vmlinuz\nAPPEND initrd=/initrd ${COMMAND_LINE}\n`;
const GRUB_CONFIGURATION = `set timeout=0\nmenuentry debian {\nlinux /vmlinuz ${COMMAND_LINE}\ninitrd /initrd\n}\n`;

/** Paths, as `fetchSystem` gives them, or bytes. The kernel gets `COMMAND_LINE`. */
interface BootedSystem {
  readonly kernel: string | Uint8Array;
  readonly initrd: string | Uint8Array;
}

/** ISO images are disks, too, with a boot sector and a partition. SYSLINUX makes a disk with a FAT file system. */
export function bootImageOf(loader: BootLoader, system: BootedSystem): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), 'vetro-loader-'));
  try {
    const root = join(folder, 'root');
    mkdirSync(root);
    put(system.kernel, join(root, 'vmlinuz'));
    put(system.initrd, join(root, 'initrd'));
    const image = join(folder, 'image');
    MAKERS[loader](root, image);
    return new Uint8Array(readFileSync(image));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const put = (content: string | Uint8Array, path: string): void =>
  typeof content === 'string' ? cpSync(content, path) : writeFileSync(path, content);

const run = (name: string, ...parameters: readonly string[]) =>
  execFileSync(program(name), parameters, { stdio: 'pipe', timeout: 120_000 });

const MAKERS: Readonly<Record<BootLoader, (root: string, image: string) => void>> = {
  'grub-mkrescue': (root, image) => {
    mkdirSync(join(root, 'boot/grub'), { recursive: true });
    writeFileSync(join(root, 'boot/grub/grub.cfg'), GRUB_CONFIGURATION);
    run('grub-mkrescue', '-d', '/usr/lib/grub/i386-pc', '-o', image, root);
  },
  ISOLINUX: (root, image) => {
    mkdirSync(join(root, 'isolinux'));
    cpSync(`${ISOLINUX}/isolinux.bin`, join(root, 'isolinux/isolinux.bin'));
    cpSync(`${MODULES}/ldlinux.c32`, join(root, 'isolinux/ldlinux.c32'));
    writeFileSync(join(root, 'isolinux/isolinux.cfg'), SYSLINUX_CONFIGURATION);
    run(
      'xorriso',
      ...['-as', 'mkisofs', '-quiet', '-o', image, '-isohybrid-mbr', `${ISOLINUX}/isohdpfx.bin`],
      ...['-b', 'isolinux/isolinux.bin', '-c', 'isolinux/boot.cat', '-no-emul-boot', '-boot-load-size', '4'],
      ...['-boot-info-table', root],
    );
  },
  SYSLINUX: (root, image) => {
    writeFileSync(image, partitionedDisk());
    const offset = PARTITION.FIRST * SECTOR;
    const drive = `${image}@@${offset}`;
    const geometry = ['-h', '16', '-s', '63', '-H', String(PARTITION.FIRST), '-T', String(PARTITION.SECTORS)];
    run('mformat', '-i', drive, ...geometry, '::');
    writeFileSync(join(root, 'syslinux.cfg'), SYSLINUX_CONFIGURATION);
    run('mcopy', '-i', drive, ...['vmlinuz', 'initrd', 'syslinux.cfg'].map((name) => join(root, name)), '::');
    run('syslinux', '--install', '--offset', String(offset), image);
  },
};

const SECTOR = 512;
const PARTITION = { ENTRY: 0x1be, ACTIVE: 0x80, FAT16_LBA: 0x0e, FIRST: 63, SECTORS: 16 * 2048 } as const;

/** One active partition, and the boot sector that starts it. */
function partitionedDisk(): Uint8Array {
  const disk = new Uint8Array((PARTITION.FIRST + PARTITION.SECTORS) * SECTOR);
  disk.set(readFileSync(MBR));
  const view = new DataView(disk.buffer);
  // Cylinders, heads and sectors that say nothing: those of LBA hold.
  const beyond = [0xfe, 0xff, 0xff];
  disk.set([PARTITION.ACTIVE, ...beyond, PARTITION.FAT16_LBA, ...beyond], PARTITION.ENTRY);
  view.setUint32(PARTITION.ENTRY + 8, PARTITION.FIRST, true);
  view.setUint32(PARTITION.ENTRY + 12, PARTITION.SECTORS, true);
  view.setUint16(SECTOR - 2, 0xaa55, true);
  return disk;
}
