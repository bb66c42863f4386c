/** A PC for tests: 4 MiB, started at 0000:7C00, always at the same time of day. */
import { assemble } from '../../src/isa/assemble.ts';
import type { BootImage } from '../../src/machine/boot.ts';
import { Pc, type PcOptions } from '../../src/machine/pc.ts';
import { sharedCode } from './shared-code.ts';

/** What is not said is as above, on the interpreter; `boot` there must be. */
export const testPc = (options: Pick<PcOptions, 'boot'> & Partial<PcOptions>): Pc =>
  Pc.create({
    name: 'test',
    memoryBytes: 4 * 2 ** 20,
    cpu: 'i686',
    engine: 'interpreter',
    powerOnTime: 0,
    code: sharedCode(),
    ...options,
  });

/** 16-bit code that starts at 0000:7C00, in real-address mode, with whatever else is in memory. */
export const realModeBoot = (source: string, pieces: BootImage['pieces'] = []): BootImage => ({
  pieces: [{ address: 0x7c00, bytes: assemble(`bits 16\norg 0x7c00\n${source}\n`).bytes }, ...pieces],
  entry: { mode: 'real', ip: 0x7c00 },
});
