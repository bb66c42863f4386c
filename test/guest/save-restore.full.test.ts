/** Debian's kernel, saved at counts without a pattern while it boots and works, and continued on each engine. */
import { describe, expect, it } from 'vitest';
import { linuxBoot } from '../../src/machine/linux-boot.ts';
import { type EngineName, Pc } from '../../src/machine/pc.ts';
import { COMMAND_LINE, debianBoot } from '../support/debian.ts';
import { randomCounts, saveMachine } from '../support/save-restore.ts';
import { sharedCode } from '../support/shared-code.ts';

const MIB = 2 ** 20;
const MEMORY = 128 * MIB;
/** Decompression; the kernel's start; drivers; user space and the shell. */
const STAGES = [30_000_000, 400_000_000, 1_200_000_000, 2_000_000_000, 2_500_000_000, 2_700_000_000, 2_790_000_000];
const STAGE_LENGTH = 20_000_000;
const MORE: Readonly<Record<EngineName, number>> = {
  auto: 100_000_000,
  jit: 20_000_000,
  interpreter: 20_000_000,
  reference: 100_000,
};
const ROUNDS = 1;

const { boot, reason } = await debianBoot('debian-686');

function createPc(engine: EngineName): Pc {
  const { kernel, initrd } = boot as { kernel: Uint8Array; initrd: Uint8Array };
  const options = { kernel, initrd, commandLine: COMMAND_LINE, memoryBytes: MEMORY, cpu: 'i686' };
  const code = sharedCode();
  return new Pc({
    ...{ name: 'linux', memoryBytes: MEMORY, cpu: 'i686', engine, powerOnTime: 0, code },
    boot: linuxBoot({ ...options, images: code.images }),
  });
}

/** As a host would run it: over all that makes a run come back, typing when there is nothing else to do. */
function runTo(pc: Pc, instructions: number): void {
  while (pc.instructions < instructions) {
    const { reason, ...exit } = pc.run({ instructions: instructions - pc.instructions });
    if (reason === 'idle') pc.serial.send(new TextEncoder().encode('dd if=/proc/kallsyms bs=1k | md5sum; date\r'));
    else if (reason !== 'budget' && reason !== 'output') throw new Error(`${reason} ${JSON.stringify(exit)}`);
  }
}

describe.skipIf(!boot)(`a Debian that is saved${reason ? ` (${reason})` : ''}`, () => {
  it('goes on elsewhere as here, on each engine, to the same state and with the same output', () => {
    const random = randomCounts(9);
    const origin = createPc('auto');
    let output = '';
    origin.serial.onOutput = (bytes) => (output += new TextDecoder('latin1').decode(bytes));
    for (const stage of STAGES) {
      for (let round = 0; round < ROUNDS; round++) {
        runTo(origin, Math.max(stage, origin.instructions) + random(STAGE_LENGTH));
        const saved = saveMachine(origin);
        const engines = Object.keys(MORE) as EngineName[];
        const hashes = new Map<number, string>();
        const heard = new Map<number, string>();
        const from = origin.instructions;
        output = '';
        for (const more of [...new Set(Object.values(MORE))].sort((a, b) => a - b)) {
          runTo(origin, from + more);
          hashes.set(more, origin.stateHash());
          heard.set(more, output);
        }
        for (const engine of engines) {
          const other = createPc(engine);
          other.restore(saved.state, saved.pages);
          expect(other.stateHash(), `${engine} at ${from}`).toBe(saved.hash);
          let said = '';
          other.serial.onOutput = (bytes) => (said += new TextDecoder('latin1').decode(bytes));
          runTo(other, from + MORE[engine]);
          expect(other.stateHash(), `${engine} from ${from} to ${other.instructions}`).toBe(hashes.get(MORE[engine]));
          expect(said).toBe(heard.get(MORE[engine]));
          other.dispose();
        }
      }
    }
    origin.dispose();
  });
});
