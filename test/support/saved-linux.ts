/** Debian's kernel, saved at counts without a pattern while it boots and works, and continued on each engine. */
import { linuxBoot } from '../../src/machine/linux-boot.ts';
import { type EngineName, Pc } from '../../src/machine/pc.ts';
import { COMMAND_LINE } from './debian.ts';
import { randomCounts, saveMachine } from './save-restore.ts';
import { sharedCode } from './shared-code.ts';

const MIB = 2 ** 20;
const MEMORY = 128 * MIB;
/** Decompression; the kernel's start; drivers; user space and the shell. */
const STAGES = [30_000_000, 400_000_000, 1_200_000_000, 2_000_000_000, 2_500_000_000, 2_700_000_000, 2_790_000_000];
const STAGE_LENGTH = 20_000_000;

export interface SavedLinuxOptions {
  /** What is booted. */
  readonly kernel: Uint8Array;
  readonly initrd: Uint8Array;
  /** Snapshots in each of the seven stages. */
  readonly rounds: number;
  readonly seed: number;
  /** Instructions that each engine goes on for. */
  readonly more: Readonly<Record<EngineName, number>>;
  /** Hears of each snapshot. */
  readonly say?: (line: string) => void;
}

/** @returns how many snapshots were taken, and a line for each restored guest that was not as the one saved */
export function continueSavedLinux(options: SavedLinuxOptions): { snapshots: number; differences: string[] } {
  const { rounds, more, say } = options;
  const random = randomCounts(options.seed);
  const origin = createPc(options, 'auto');
  let output = '';
  origin.serial.onOutput = (bytes) => (output += new TextDecoder('latin1').decode(bytes));
  const differences: string[] = [];
  let snapshots = 0;
  for (const stage of STAGES) {
    for (let round = 0; round < rounds; round++) {
      runTo(origin, Math.max(stage, origin.instructions) + random(STAGE_LENGTH));
      const saved = saveMachine(origin);
      snapshots++;
      const from = origin.instructions;
      const seen = new Map<number, string>();
      output = '';
      for (const count of [...new Set(Object.values(more))].sort((a, b) => a - b)) {
        runTo(origin, from + count);
        seen.set(count, `${origin.stateHash()} ${output}`);
      }
      for (const engine of Object.keys(more) as EngineName[]) {
        const other = createPc(options, engine);
        other.restore(saved.state, saved.pages);
        if (other.stateHash() !== saved.hash) differences.push(`${engine} at ${from}`);
        let said = '';
        other.serial.onOutput = (bytes) => (said += new TextDecoder('latin1').decode(bytes));
        runTo(other, from + more[engine]);
        if (`${other.stateHash()} ${said}` !== seen.get(more[engine]))
          differences.push(`${engine} from ${from} to ${other.instructions}`);
        other.dispose();
      }
      say?.(`snapshot ${snapshots} at ${from}: ${differences.length} differences so far`);
    }
  }
  origin.dispose();
  return { snapshots, differences };
}

function createPc({ kernel, initrd }: SavedLinuxOptions, engine: EngineName): Pc {
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
