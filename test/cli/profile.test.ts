/** `vetro run --profile`, as a process: the file, the table, and that the guest is the same. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SpeedscopeFile } from '../../src/debug/profile/speedscope.ts';
import { assemble } from '../../src/isa/assemble.ts';
import { createElfFile } from '../support/elf-file.ts';
import { buildVetro, type Vetro } from '../support/run-vetro.ts';

const folder = mkdtempSync(join(tmpdir(), 'vetro-profile-'));
const file = (name: string) => join(folder, name);
let vetro: Vetro;
beforeAll(async () => {
  vetro = await buildVetro();
  writeFileSync(file('work.img'), WORK.bytes);
  writeFileSync(file('endless.img'), assemble(`org 0x7c00\nbits 16\nmov cx, 5000\nloop $\n${LETTER}\njmp $`).bytes);
});
afterAll(() => {
  vetro.dispose();
  rmSync(folder, { recursive: true, force: true });
});

/** An x to COM1, with eight data bits. */
const LETTER = `
        mov dx, 0x3fb
        mov al, 3
        out dx, al
        mov dx, 0x3f8
        mov al, 'x'
        out dx, al`;

/** 200,000 instructions, a letter, and the end. */
const WORK = assemble(`
org 0x7c00
bits 16
        mov ax, 4
round:  mov cx, 25000
spin:   dec cx
        jnz spin
        dec ax
        jnz round
        ${LETTER}
        mov cx, 5000
        loop $
        cli
        hlt`);
const run = (image: string, ...options: string[]) =>
  vetro.run(['run', file(image), '--memory', '1', '--clock', 'virtual', ...options]);
const readProfile = (name: string): SpeedscopeFile => JSON.parse(readFileSync(file(name), 'utf8'));

describe('vetro run --profile', () => {
  it('writes a speedscope file and a table; the guest says what it says without', async () => {
    const plain = await run('work.img');
    const profiled = await run('work.img', '--profile', file('work.json'), '--profile-interval', '1000');
    expect([profiled.status, profiled.stdout]).toEqual([plain.status, plain.stdout]);
    expect([plain.status, plain.stdout, plain.stderr]).toEqual([0, 'x', '']);
    const { profiles, shared, vetro: figures, exporter } = readProfile('work.json');
    const [{ instructions, sampleInterval }] = figures.guests;
    expect(exporter).toMatch(/^vetro \d/);
    expect(sampleInterval).toBe(1000);
    expect(profiles[0].samples.length).toBe(Math.floor(instructions / 1000));
    expect(profiles[0].endValue).toBe(1000 * profiles[0].samples.length);
    expect(shared.frames).toEqual([{ name: 'kernel' }, { name: 'kernel 00007xxx' }]);
    const lines = profiled.stderr.split('\n');
    expect(lines[0]).toBe(`profile of guest: ${instructions.toLocaleString('en')} instructions`);
    expect(profiled.stderr).toMatch(/^ {2}helpers +portOut 2, halt 1$/m);
    expect(profiled.stderr).toMatch(/^ {2}samples +2\d\d, every 1,000 instructions$/m);
    expect(lines.at(-2)).toBe(`profile written to ${file('work.json')}`);
  });

  it('writes collapsed stacks where the name ends so, with names from an ELF file', async () => {
    const symbols = ['spin', 'round'].map((name) => ({ name, value: WORK.labels.get(name)!, size: 3 }));
    writeFileSync(file('work.elf'), createElfFile({ bits: 32, symbols }));
    const path = file('work.collapsed');
    const { status } = await run(
      'work.img',
      '--profile',
      path,
      '--profile-interval',
      '1000',
      '--symbols',
      file('work.elf'),
    );
    expect(status).toBe(0);
    const text = readFileSync(path, 'utf8');
    expect(text).toMatch(/^(kernel;[^;]+ \d+000\n)+$/);
    expect(Number(/^kernel;spin (\d+)$/m.exec(text)?.[1])).toBeGreaterThan(190_000);
  });

  it('has a profile for each guest', async () => {
    const { stderr } = await run('work.img', '--count', '2', '--profile', file('two.json'));
    expect(readProfile('two.json').profiles.map(({ name }) => name)).toEqual(['vm1', 'vm2']);
    expect(stderr.match(/^profile of vm[12]: /gm)).toHaveLength(2);
    expect(stderr).toMatch(/samples +none: one every 1,000,003 instructions/);
  });

  it('writes it also when a signal ends the run', async () => {
    const path = file('endless.json');
    const options = ['--profile', path, '--profile-interval', '100', '--memory', '1', '--clock', 'virtual'];
    const running = vetro.start(['run', file('endless.img'), ...options]);
    await running.shows(/x/);
    expect(await running.signal('SIGTERM')).toBe(143);
    expect(readProfile('endless.json').profiles[0].samples.length).toBeGreaterThan(0);
  });
});
