/** Our BIOS and SeaBIOS give programs the same answers, where both define them. The answers are SeaBIOS's. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createBiosMachine } from '../support/bios-machine.ts';
import { AGREED_PROGRAMS, agreedDisk, agreedFloppy } from '../support/bios-programs.ts';

const ANSWERS: Readonly<Record<string, string>> = JSON.parse(
  readFileSync(join(import.meta.dirname, 'bios-programs.json'), 'utf8'),
);

describe('INT 10h–1Ah', () => {
  const disk = agreedDisk();

  it('all programs have an answer', () => {
    expect(Object.keys(ANSWERS)).toEqual(Object.keys(AGREED_PROGRAMS));
  });

  it.each(Object.entries(AGREED_PROGRAMS))('%s', (name, program) => {
    const machine = createBiosMachine({ floppy: agreedFloppy(program), disks: [disk], memory: 64 });
    expect(machine.run()).toBe('debug-exit');
    expect(machine.output()).toBe(ANSWERS[name]);
  });
});
