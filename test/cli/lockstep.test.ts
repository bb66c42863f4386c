/** `vetro difftest lockstep` as a process: engines that agree, input at prompts, guests that end. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Interrupted } from '../../src/cli/stop.ts';
import { vetro as runCommand } from '../../src/cli/vetro.ts';
import { assemble } from '../../src/isa/assemble.ts';
import { buildVetro, type Vetro } from '../support/run-vetro.ts';

const folder = mkdtempSync(join(tmpdir(), 'vetro-lockstep-'));
const image = (name: string): string => join(folder, name);
const LINE = 'mov dx, 0x3fb\nmov al, 3\nout dx, al\nmov dx, 0x3f8';

/** Boot sectors. */
const SOURCES = {
  loop: 'again: inc eax\nadd [0x9000], eax\njmp again',
  halt: 'mov cx, 500\nagain: loop again\ncli\nhlt',
  fault: 'lidt [none]\nud2\nnone: dw 0, 0, 0',
  // Says "?", then adds up what it is sent until a CR comes.
  ask: `${LINE}\nask: mov al, '?'\nout dx, al\nwait: mov dx, 0x3fd\nin al, dx\ntest al, 1\nje wait\nmov dx, 0x3f8\nin al, dx\nadd bl, al\ncmp al, 13\njne wait\njmp ask`,
};

let vetro: Vetro;
beforeAll(async () => {
  for (const [name, source] of Object.entries(SOURCES))
    writeFileSync(image(name), assemble(`bits 16\norg 0x7c00\n${source}`).bytes);
  vetro = await buildVetro();
});
afterAll(() => {
  vetro.dispose();
  rmSync(folder, { recursive: true, force: true });
});

const lockstep = (name: keyof typeof SOURCES, ...options: string[]) =>
  vetro.run(['difftest', 'lockstep', image(name), '--memory', '1', '--interval', '1000', ...options]);

describe('vetro difftest lockstep', () => {
  it('says up to where the engines agree, and is quiet in a pipe', async () => {
    const { status, stdout, stderr } = await lockstep('loop', '--instructions', '20500');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(/^jit and interpreter agree up to instruction 20,500\nstate hash [0-9a-f]{16}\n$/);
    // The order of the engines makes no difference.
    const other = await lockstep('loop', '--instructions', '20500', '--engines', 'interpreter,jit');
    expect(other.stdout).toBe(stdout.replace('jit and interpreter', 'interpreter and jit'));
  });

  it('a guest that ends, ends it', async () => {
    const halted = await lockstep('halt', '--instructions', '1e6');
    expect(halted).toMatchObject({ status: 0, stderr: '' });
    expect(halted.stdout).toMatch(/agree up to instruction 503\n.*\nboth end there: halted\n$/);
    const faulted = await lockstep('fault', '--instructions', '1e6');
    expect(faulted.stdout).toMatch(/\nboth end there: triple fault \(#UD.*\)\n$/);
  });

  it('types at prompts, and ends at the one behind the last line', async () => {
    const { status, stdout } = await lockstep(
      'ask',
      '--prompt',
      '?',
      '--type',
      'first line',
      'second',
      '--instructions',
      '5e5',
    );
    expect({ status, stdout }).toEqual({
      status: 0,
      stdout: expect.stringMatching(/^[^\n]* agree up[^\n]*\n[^\n]*\n$/),
    });
    const instructions = Number(/instruction ([\d,]+)/.exec(stdout)![1].replaceAll(',', ''));
    expect(instructions).toBeLessThan(500_000);
  });

  it('says what could not be typed', async () => {
    const { status, stdout } = await lockstep('loop', '--type', 'ls', 'exit', '--instructions', '5000');
    expect(status).toBe(0);
    expect(stdout).toMatch(/\nnot typed, for want of a prompt: 2 of 2 lines\n$/);
  });

  it('ends soon when the command is to stop', async () => {
    const stop = new AbortController();
    const words = ['difftest', 'lockstep', image('loop'), '--memory', '1', '--interval', '10000'];
    const ended = runCommand(words, stop.signal);
    setTimeout(() => stop.abort(new Interrupted('SIGINT', 130)), 100);
    expect(await ended).toBe(130);
  });
});
