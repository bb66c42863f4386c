/** Debian's kernel with ata_piix: a disk and a CD by DMA and by PIO, written and read back, over a host that takes its time. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fetchSystem } from '../../src/cli/fetch/debian.ts';
import type { PcOptions } from '../../src/machine/pc.ts';
import { debianModules } from '../support/debian-modules.ts';
import { BytesMedium, DelayedMedium, pattern } from '../support/media.ts';
import { runScript, scriptedLinux } from '../support/scripted-linux.ts';

const MIB = 2 ** 20;
const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex');

const SCRIPT = `
for i in 1 2 3 4 5 6 7 8 9 10; do [ -b /dev/sda ] && [ -b /dev/sr0 ] && break; sleep 1; done
dmesg | grep -E 'ata[0-9]'
md5sum /dev/sda /dev/sr0
printf 'written by the guest' | dd of=/dev/sda bs=512 seek=4096 conv=sync,fsync
dd if=/dev/sda of=/dev/sda bs=64k skip=1 seek=33 count=16 conv=fsync
echo 3 > /proc/sys/vm/drop_caches
md5sum /dev/sda
grep -E ' 1[45]:' /proc/interrupts
dmesg | grep -iE 'error|exception|frozen|lost' | grep ata`;

async function prepare() {
  try {
    const { kernel, initrd } = await fetchSystem('debian-686');
    const modules = await debianModules('debian-686', ['ata_piix', 'sd_mod', 'sr_mod']);
    return { system: { kernel: readFileSync(kernel), initrd: readFileSync(initrd), modules, script: SCRIPT } };
  } catch (error) {
    return { reason: (error as Error).message };
  }
}
const { system, reason } = await prepare();

/** What the disk must hold at the end. */
function expectedDisk(): Uint8Array {
  const bytes = pattern(8 * MIB);
  const text = new Uint8Array(512);
  text.set(new TextEncoder().encode('written by the guest'));
  bytes.set(text, 4096 * 512);
  bytes.copyWithin(33 * 65536, 65536, 17 * 65536);
  return bytes;
}

describe.skipIf(!system)(
  `ata_piix${reason ? ` (${reason})` : ''}`,
  () => {
    it.each([
      ['by DMA', '', 'configured for MWDMA2'],
      ['by PIO', 'libata.force=pio4', 'configured for PIO4'],
    ])('%s', async (_, commandLine, mode) => {
      const disk = new BytesMedium(8 * MIB);
      const cdrom = new BytesMedium(2 * MIB, { readOnly: true });
      const boot = scriptedLinux({ ...system!, commandLine });
      const { transcript } = await runScript(boot, { engine: 'jit', disks: [disk], cdrom });
      expect(transcript).toContain('ata1.00: ATA-6: VETRO HARDDISK');
      expect(transcript).toContain('ata2.00: ATAPI: VETRO CD-ROM');
      expect(transcript).toContain(`ata1.00: ${mode}`);
      expect(transcript).toContain(`${md5(pattern(8 * MIB))}  /dev/sda`);
      expect(transcript).toContain(`${md5(pattern(2 * MIB))}  /dev/sr0`);
      expect(transcript).toContain(`${md5(expectedDisk())}  /dev/sda`);
      expect(md5(disk.bytes)).toBe(md5(expectedDisk()));
      expect(disk.log).toContain('flush');
      expect(transcript).not.toMatch(/ata\d.*(error|exception|frozen|lost)/i);
    });

    it('a slow host is not seen', async () => {
      const counts = [270e6, 300e6, 340e6, 500e6, 800e6];
      const run = async (slow: boolean) => {
        const waiting: DelayedMedium[] = [];
        const later = (medium: BytesMedium) => {
          if (!slow) return medium;
          waiting.push(new DelayedMedium(medium));
          return waiting.at(-1)!;
        };
        const media: Partial<PcOptions> = {
          disks: [later(new BytesMedium(8 * MIB))],
          cdrom: later(new BytesMedium(2 * MIB, { readOnly: true })),
        };
        let waits = 0;
        const onWait = async () => {
          waits++;
          for (const medium of waiting) await medium.answer();
        };
        const { transcript, hashes } = await runScript(scriptedLinux(system!), {
          ...media,
          engine: 'jit',
          counts,
          onWait,
        });
        return { seen: [transcript, hashes], waits };
      };
      const prompt = await run(false);
      const late = await run(true);
      expect(late.seen).toEqual(prompt.seen);
      expect(late.waits).toBeGreaterThan(100);
    });
  },
  1_200_000,
);
