/** The answers that `bios-programs.json` has are those of SeaBIOS under QEMU. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { AGREED_PROGRAMS, agreedDisk, agreedFloppy } from '../support/bios-programs.ts';
import { hasQemu, runUnderQemu } from '../support/run-qemu.ts';

const ANSWERS = JSON.parse(readFileSync(join(import.meta.dirname, 'bios-programs.json'), 'utf8'));

describe.skipIf(!hasQemu())('SeaBIOS under QEMU (needs qemu-system-i386)', () => {
  const disk = agreedDisk();

  it.each(Object.entries(AGREED_PROGRAMS))('%s', (name, program) => {
    expect(runUnderQemu({ floppy: agreedFloppy(program), disk })).toBe(ANSWERS[name]);
  });
});
