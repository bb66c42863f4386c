/** Debian's kernel with ata_piix: a disk and a CD by DMA and by PIO, written and read back, over a host that takes its time. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fetchSystem } from '../../src/cli/fetch/debian.ts';
import { debianModules } from '../support/debian-modules.ts';
import { BytesMedium, DelayedMedium, pattern } from '../support/media.ts';
import { runScript, scriptedLinux } from '../support/scripted-linux.ts';

const MIB = 2 ** 20;
/** Instruction counts at which states are compared: from the first IDENTIFY to the last write. */
const COUNTS = [1.8e9, 2.2e9, 2.6e9, 3.0e9, 3.3e9];
const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex');

const SCRIPT = `
for i in 1 2 3 4 5 6 7 8 9 10; do [ -b /dev/sda ] && [ -b /dev/sr0 ] && break; sleep 1; done
dmesg | grep -E 'ata[0-9]'
echo mode of the disk: $(cat /sys/class/ata_device/dev1.0/xfer_mode)
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
    const media = () => ({
      disk: new BytesMedium(8 * MIB),
      cdrom: new BytesMedium(2 * MIB, { readOnly: true }),
    });

    function checkTranscript(transcript: string, mode: string): void {
      expect(transcript).toContain('ata1.00: ATA-6: VETRO HARDDISK');
      expect(transcript).toContain('ata2.00: ATAPI: VETRO CD-ROM');
      expect(transcript).toContain(`mode of the disk: ${mode}`);
      expect(transcript).toContain(`${md5(pattern(8 * MIB))}  /dev/sda`);
      expect(transcript).toContain(`${md5(pattern(2 * MIB))}  /dev/sr0`);
      expect(transcript).toContain(`${md5(expectedDisk())}  /dev/sda`);
      expect(transcript).not.toMatch(/ata\d.*(error|exception|frozen|lost)/i);
    }

    it('by PIO', async () => {
      const { disk, cdrom } = media();
      const boot = scriptedLinux({ ...system!, parameters: { libata: 'dma=0' } });
      const { transcript } = await runScript(boot, { engine: 'auto', disks: [disk], cdrom });
      checkTranscript(transcript, 'XFER_PIO_4');
      expect(md5(disk.bytes)).toBe(md5(expectedDisk()));
    });

    it('by DMA, over a host that answers at once and over one that takes its time: the guest cannot tell', async () => {
      const boot = scriptedLinux(system!);
      const prompt = media();
      const expected = await runScript(boot, {
        engine: 'auto',
        disks: [prompt.disk],
        cdrom: prompt.cdrom,
        counts: COUNTS,
      });
      expect(expected.hashes.length).toBeGreaterThan(2);
      checkTranscript(expected.transcript, 'XFER_MW_DMA_2');
      expect(md5(prompt.disk.bytes)).toBe(md5(expectedDisk()));
      expect(prompt.disk.log).toContain('flush');

      const { disk, cdrom } = media();
      const slow = [new DelayedMedium(disk), new DelayedMedium(cdrom)] as const;
      let waits = 0;
      const onWait = async () => {
        waits++;
        for (const medium of slow) await medium.answer();
      };
      const late = await runScript(boot, { engine: 'auto', disks: [slow[0]], cdrom: slow[1], counts: COUNTS, onWait });
      expect([late.transcript, late.hashes]).toEqual([expected.transcript, expected.hashes]);
      expect(md5(disk.bytes)).toBe(md5(expectedDisk()));
      expect(waits).toBeGreaterThan(100);
    });
  },
  1_200_000,
);
