/**
 * A boot from an IDE disk, from the BIOS by way of ISOLINUX to Debian's kernel, which reads the disk by DMA: the same
 * states at the same instruction counts, however slow the disk is, however the run is cut, whoever executes it.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fetchSystem } from '../../src/cli/fetch/debian.ts';
import { Random } from '../../src/difftest/random.ts';
import { type EngineName, Pc } from '../../src/machine/pc.ts';
import { bootImageOf, missingFor } from '../support/boot-images.ts';
import { debianModules } from '../support/debian-modules.ts';
import { BytesMedium, DelayedMedium } from '../support/media.ts';
import { scriptedInitrd } from '../support/scripted-linux.ts';
import { createSeaBiosMachine, type SeaBiosOptions, seaBios } from '../support/seabios-machine.ts';
import { sharedCode } from '../support/shared-code.ts';

const MIB = 2 ** 20;
const MEMORY = 128 * MIB;
const LAST_WORD = 'script: done';
/** About three times what it takes. */
const LIMIT = 12e9;
/** Instructions between two states that are compared: loaders, decompression, drivers, DMA. */
const INTERVAL = 400_000_000;
const EARLY = [1_000, 20_000, 40_000, 80_000, 160_000];
const TRANSLATED = [60e6, 120e6, 180e6, 240e6, 300e6];
const SCRIPT = `
for i in 1 2 3 4 5 6 7 8 9 10; do [ -b /dev/sda ] && break; sleep 1; done
echo mode of the disk: $(cat /sys/class/ata_device/dev1.0/xfer_mode)
md5sum /dev/sda
dd if=/dev/sda of=/dev/sda bs=64k count=4 conv=fsync,notrunc
dmesg | grep -iE 'error|exception|frozen|lost' | grep ata`;

type Firmware = 'our BIOS' | 'SeaBIOS';

const { files, reason } = await seaBios();
async function prepare(): Promise<{ image?: Uint8Array; excuse?: string | undefined }> {
  const missing = missingFor('ISOLINUX');
  if (missing !== undefined) return { excuse: missing };
  try {
    const { kernel, initrd } = await fetchSystem('debian-686');
    const modules = await debianModules('debian-686', ['ata_piix', 'sd_mod']);
    const withScript = scriptedInitrd({ initrd: readFileSync(initrd), modules, script: SCRIPT });
    return { image: bootImageOf('ISOLINUX', { kernel, initrd: withScript }) };
  } catch (error) {
    return { excuse: (error as Error).message };
  }
}
const { image, excuse } = await prepare();

interface Run {
  readonly firmware: Firmware;
  readonly engine?: EngineName;
  /** Answers come when chance has it, and slices are of any length. */
  readonly delayed?: boolean;
  /** Where states are compared. Default: at every interval, up to the script's last word. */
  readonly counts?: readonly number[];
}

interface Outcome {
  readonly transcript: string;
  readonly counts: readonly number[];
  readonly hashes: readonly string[];
  readonly waits: number;
}

function createMachine({ firmware, engine = 'auto' }: Run, disks: SeaBiosOptions['disks']) {
  if (firmware === 'SeaBIOS') return createSeaBiosMachine(files!, { engine, disks, memoryBytes: MEMORY });
  const common = { name: 'test', cpu: 'i686', powerOnTime: 0, code: sharedCode() } as const;
  const pc = new Pc({ ...common, engine, memoryBytes: MEMORY, disks, boot: { bios: {} } });
  let serial = '';
  pc.serial.onOutput = (bytes) => (serial += new TextDecoder('latin1').decode(bytes));
  return { pc, serial: () => serial };
}

async function boot(run: Run): Promise<Outcome> {
  const medium = new BytesMedium(image!.slice());
  const slow = run.delayed ? new DelayedMedium(medium) : undefined;
  const { pc, serial } = createMachine(run, [slow ?? medium]);
  const random = new Random(9);
  const hashes: string[] = [];
  const counts: number[] = [];
  let waits = 0;
  const nextStop = () => (run.counts ? run.counts[counts.length] : INTERVAL * (counts.length + 1));
  for (;;) {
    const stop = nextStop();
    if (stop === undefined || (run.counts === undefined && serial().includes(LAST_WORD))) break;
    const slice = run.delayed ? 1 + random.below(random.oneIn(3) ? 1000 : 20_000_000) : 20_000_000;
    const exit = pc.run({ instructions: Math.min(slice, stop - pc.instructions) });
    if (exit.reason === 'waiting') {
      waits++;
      // Now and then a few more instructions are asked for, which guest time does not let happen.
      if (!random.oneIn(4)) await slow!.answer();
    } else if (exit.reason !== 'budget' && exit.reason !== 'output')
      throw new Error(`${exit.reason}: ${serial().slice(-500)}`);
    if (slow && random.oneIn(3)) await slow.answerSome(random);
    if (pc.instructions > LIMIT) throw new Error(`no end: ${serial().slice(-500)}`);
    if (pc.instructions < stop) continue;
    counts.push(stop);
    hashes.push(pc.stateHash());
  }
  pc.dispose();
  return { transcript: serial(), counts, hashes, waits };
}

/** One boot that others are compared with, made once for each firmware. */
const whole = new Map<Firmware, Promise<Outcome>>();
function wholeBoot(firmware: Firmware): Promise<Outcome> {
  const known = whole.get(firmware) ?? boot({ firmware });
  whole.set(firmware, known);
  return known;
}

describe.skipIf(!image)(
  `a boot from a disk${excuse ? ` (${excuse})` : ''}`,
  () => {
    const firmwares: readonly Firmware[] = files ? ['our BIOS', 'SeaBIOS'] : ['our BIOS'];
    describe.each(firmwares)(`%s${reason ? ` (no SeaBIOS: ${reason})` : ''}`, (firmware) => {
      it('comes to a script that reads the disk by DMA', async () => {
        const { transcript, hashes } = await wholeBoot(firmware);
        expect(transcript).toContain('mode of the disk: XFER_MW_DMA_2');
        expect(transcript).toContain(`${createHash('md5').update(image!).digest('hex')}  /dev/sda`);
        expect(transcript).not.toMatch(/ata\d.*(error|exception|frozen|lost)/i);
        expect(new Set(hashes).size).toBeGreaterThanOrEqual(5);
      });

      it('over a host that takes its time, in slices of any length', async () => {
        const { counts, hashes } = await wholeBoot(firmware);
        const late = await boot({ firmware, delayed: true, counts });
        expect(late.hashes).toEqual(hashes);
        expect(late.waits).toBeGreaterThan(100);
      });

      it('the reference evaluator agrees as far as it gets', async () => {
        const [expected, seen] = await Promise.all([
          boot({ firmware, counts: EARLY }),
          boot({ firmware, engine: 'reference', delayed: true, counts: EARLY }),
        ]);
        expect(seen.hashes).toEqual(expected.hashes);
      });
    });

    it('on the interpreter', async () => {
      const { counts, hashes } = await wholeBoot('our BIOS');
      const other = await boot({ firmware: 'our BIOS', engine: 'interpreter', counts });
      expect(other.hashes).toEqual(hashes);
    });

    // A whole boot of which all is translated at once takes five minutes.
    it('with everything translated, up to where the kernel unpacks itself', async () => {
      const [expected, seen] = await Promise.all(
        (['auto', 'jit'] as const).map((engine) => boot({ firmware: 'our BIOS', engine, counts: TRANSLATED })),
      );
      expect(seen.hashes).toEqual(expected.hashes);
    });
  },
  1_800_000,
);
