/** A PC that Debian's SeaBIOS starts; the package is fetched once into the user's cache, or there is a reason why not. */

import { loadSeaBios, type SeaBios } from '../../src/cli/fetch/seabios.ts';
import type { Random } from '../../src/difftest/random.ts';
import type { RomBoot } from '../../src/machine/boot.ts';
import { Pc, type PcOptions } from '../../src/machine/pc.ts';
import type { DelayedMedium } from './media.ts';
import { sharedCode } from './shared-code.ts';

export async function seaBios(): Promise<{ files?: SeaBios; reason?: string }> {
  try {
    return { files: await loadSeaBios() };
  } catch (error) {
    return { reason: (error as Error).message };
  }
}

export type SeaBiosOptions = Pick<PcOptions, 'disks' | 'cdrom' | 'floppies'> & {
  readonly memoryBytes?: number;
  readonly engine?: PcOptions['engine'];
  readonly rom?: Partial<RomBoot['rom']>;
};

export function createSeaBiosMachine(
  { bios, videoBios }: SeaBios,
  { engine, rom, memoryBytes, ...drives }: SeaBiosOptions = {},
) {
  const pc = new Pc({
    code: sharedCode(),
    name: 'test',
    memoryBytes: memoryBytes ?? 32 * 2 ** 20,
    cpu: 'i686',
    engine: engine ?? 'auto',
    powerOnTime: Date.UTC(2026, 10, 20, 12, 34, 50),
    boot: { rom: { image: bios, videoBios, ...rom } },
    ...drives,
  });
  let log = '';
  let serial = '';
  pc.debugConsole.onOutput = (bytes) => (log += new TextDecoder('latin1').decode(bytes));
  pc.serial.onOutput = (bytes) => (serial += new TextDecoder('latin1').decode(bytes));
  return {
    pc,
    log: () => log,
    serial: () => serial,
    /** Without the empty rows at the end. */
    screen: () =>
      pc
        .screen()
        .map((row) => row.trimEnd())
        .join('\n')
        .trimEnd(),
  };
}

/** Runs until it halts with nothing to wake it but input, or to `instructions`; slow media answer when they like. */
export async function runSeaBios(
  pc: Pc,
  { instructions = 200_000_000, slow = [], random }: RunOptions = {},
): Promise<string> {
  const end = pc.time + 60e9;
  while (pc.instructions < instructions) {
    const exit = pc.run({ instructions: Math.min(instructions - pc.instructions, 5_000_000), time: end });
    if (exit.reason === 'error') throw exit.error;
    if (exit.reason === 'waiting') for (const medium of slow) await medium.answer();
    else if (exit.reason !== 'budget' && exit.reason !== 'output') return exit.reason;
    if (random !== undefined) for (const medium of slow) await medium.answerSome(random);
  }
  return 'budget';
}

interface RunOptions {
  readonly instructions?: number;
  readonly slow?: readonly DelayedMedium[];
  readonly random?: Random;
}
