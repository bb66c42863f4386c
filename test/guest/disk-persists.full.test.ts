/**
 * What Linux writes to its disk is there at the next boot: `vetro run` with Debian's kernel and its modules for IDE and
 * ext4, the image written through and by an overlay, which qemu-img finds sound and alike.
 */
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { debianBoot } from '../support/debian.ts';
import { debianModules } from '../support/debian-modules.ts';
import { QEMU_IMG_MISSING, qemuCheck, qemuImg } from '../support/qemu-img.ts';
import { buildVetro, type Vetro } from '../support/run-vetro.ts';
import { scriptedInitrd } from '../support/scripted-linux.ts';

const MIB = 2 ** 20;
const MODULES = ['ata_piix', 'sd_mod', 'crc32c_generic', 'ext4'];
/** Where raw bytes are written, in blocks of 512: behind the file system. */
const RAW_BLOCK = 40_000;

/** One script for all boots: it says what it finds, and leaves more. */
const SCRIPT = `
tries=0
while [ ! -b /dev/sda ] && [ $tries -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
echo "size: $(cat /sys/block/sda/size)"
echo "raw: $(dd if=/dev/sda bs=512 skip=${RAW_BLOCK} count=1 2>/dev/null | tr -d '\\0')"
mkdir -p /mnt
if ! mount -t ext4 /dev/sda /mnt 2>/dev/null; then
  mke2fs -F /dev/sda 16384 >/dev/null
  mount -t ext4 /dev/sda /mnt || echo 'no mount'
fi
echo "files: $(cat /mnt/boots 2>/dev/null | tr '\\n' ' ')"
echo "boot $(cat /mnt/boots 2>/dev/null | wc -l)" >> /mnt/boots
seq 1 50000 | md5sum > /mnt/sum.new
seq 1 50000 > /mnt/numbers
umount /mnt
mount -t ext4 /dev/sda /mnt && md5sum < /mnt/numbers | cmp - /mnt/sum.new && echo 'numbers: whole'
umount /mnt
printf 'written raw' | dd of=/dev/sda bs=512 seek=${RAW_BLOCK} conv=notrunc,sync 2>/dev/null
sync
echo 'script: done'
poweroff -f
`;

const { boot, reason } = await debianBoot('debian-686');

describe.skipIf(!boot)(`a disk under Debian's kernel${reason ? ` (${reason})` : ''}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'vetro-persists-'));
  const file = (name: string) => join(folder, name);
  let vetro: Vetro;

  beforeAll(async () => {
    vetro = await buildVetro();
    const { kernel, initrd } = boot as { kernel: Uint8Array; initrd: Uint8Array };
    writeFileSync(file('kernel'), kernel);
    const modules = await debianModules('debian-686', MODULES);
    writeFileSync(file('initrd'), scriptedInitrd({ initrd, modules, script: SCRIPT }));
  });
  afterAll(() => {
    vetro.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  /** @returns what the script says, a line each */
  async function bootWith(disk: string): Promise<string[]> {
    const { status, stdout, stderr } = await vetro.run(
      [
        ...['run', '--kernel', file('kernel'), '--initrd', file('initrd'), '--memory', '128', '--clock', 'virtual'],
        ...['--append', 'console=ttyS0 cryptomgr.notests quiet', '--disk', disk],
      ],
      { timeout: 280_000 },
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    return stdout.split(/\r?\n/).filter((line) => /^(size|raw|files|numbers|script): /.test(line));
  }

  const lines = (raw: string, files: string): string[] => [
    'size: 65536',
    `raw: ${raw}`,
    `files: ${files}`,
    'numbers: whole',
    'script: done',
  ];

  it('written through: it is in the file, and there at the second boot', { timeout: 600_000 }, async () => {
    writeFileSync(file('through.img'), '');
    truncateSync(file('through.img'), 32 * MIB);
    const disk = `file=${file('through.img')},write=through`;
    expect(await bootWith(disk)).toEqual(lines('', ''));
    const at = RAW_BLOCK * 512;
    expect(
      readFileSync(file('through.img'))
        .subarray(at, at + 11)
        .toString(),
    ).toBe('written raw');
    expect(await bootWith(disk)).toEqual(lines('written raw', 'boot 0 '));
  });

  it('by an overlay: the image stays as it is, qemu-img finds the overlay sound', { timeout: 600_000 }, async () => {
    const before = Buffer.alloc(32 * MIB);
    writeFileSync(file('under.img'), before);
    const disk = `file=${file('under.img')},overlay=${file('over.qcow2')}`;
    expect(await bootWith(disk)).toEqual(lines('', ''));
    expect(await bootWith(disk)).toEqual(lines('written raw', 'boot 0 '));
    expect(readFileSync(file('under.img')).equals(before)).toBe(true);
    expect(await vetro.run(['image', 'check', file('over.qcow2')])).toMatchObject({ status: 0 });
    if (QEMU_IMG_MISSING) return;
    expect(qemuCheck(file('over.qcow2'))).toMatchObject({ status: 0 });
    qemuImg('convert', '-O', 'raw', file('over.qcow2'), file('flat.img'));
    const at = RAW_BLOCK * 512;
    expect(
      readFileSync(file('flat.img'))
        .subarray(at, at + 11)
        .toString(),
    ).toBe('written raw');
  });
});
