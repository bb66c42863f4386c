/**
 * A CD that is a disk, too, on which ISOLINUX starts a kernel: made by Debian's packages xorriso, isolinux and
 * syslinux-common.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const ISOLINUX = '/usr/lib/ISOLINUX';
const MODULES = '/usr/lib/syslinux/modules/bios';

const missing = [
  `${ISOLINUX}/isolinux.bin`,
  `${ISOLINUX}/isohdpfx.bin`,
  `${MODULES}/ldlinux.c32`,
  '/usr/bin/xorriso',
].find((path) => !existsSync(path));
/** Why no such image can be made. */
export const NO_ISOLINUX = missing && `no ${missing}`;

/** With a boot sector and a partition. */
export function isolinuxImage(system: {
  readonly kernel: Uint8Array;
  readonly initrd: Uint8Array;
  readonly commandLine: string;
}): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), 'vetro-isolinux-'));
  try {
    const root = join(folder, 'root');
    mkdirSync(join(root, 'isolinux'), { recursive: true });
    writeFileSync(join(root, 'vmlinuz'), system.kernel);
    writeFileSync(join(root, 'initrd'), system.initrd);
    cpSync(`${ISOLINUX}/isolinux.bin`, join(root, 'isolinux/isolinux.bin'));
    cpSync(`${MODULES}/ldlinux.c32`, join(root, 'isolinux/ldlinux.c32'));
    writeFileSync(
      join(root, 'isolinux/isolinux.cfg'),
      `DEFAULT linux\nPROMPT 0\nLABEL linux\nKERNEL /vmlinuz\nAPPEND initrd=/initrd ${system.commandLine}\n`,
    );
    const path = join(folder, 'image.iso');
    execFileSync(
      'xorriso',
      [
        ...['-as', 'mkisofs', '-quiet', '-o', path, '-isohybrid-mbr', `${ISOLINUX}/isohdpfx.bin`],
        ...['-b', 'isolinux/isolinux.bin', '-c', 'isolinux/boot.cat', '-no-emul-boot', '-boot-load-size', '4'],
        ...['-boot-info-table', root],
      ],
      { stdio: 'ignore' },
    );
    return new Uint8Array(readFileSync(path));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
