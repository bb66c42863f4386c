/** `vetro run --top`: what guests do, as a table on a terminal and as lines of JSON in a pipe. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { assemble } from '../../src/isa/assemble.ts';
import { Typist } from '../support/debian.ts';
import { buildVetro, type Vetro } from '../support/run-vetro.ts';
import { hasScript, RESTORED, Terminal } from '../support/terminal.ts';

const folder = mkdtempSync(join(tmpdir(), 'vetro-top-'));
const spinning = join(folder, 'spinning.img');
let vetro: Vetro;
beforeAll(async () => {
  writeFileSync(spinning, assemble('org 0x7c00\nbits 16\nmov byte [0x9000], 1\nagain: inc ax\njmp again').bytes);
  vetro = await buildVetro();
});
afterAll(() => {
  vetro.dispose();
  rmSync(folder, { recursive: true, force: true });
});

const RUN = ['--engine', 'interpreter', '--memory', '2', '--clock', 'virtual', '--top'];

it('in a pipe: a line for each guest, with what came of it in between', async () => {
  const running = vetro.start(['run', spinning, ...RUN, '--count', '2', '--pool', '64'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  await running.shows(/(\{.*\}\n){4}/);
  await running.signal('SIGTERM');
  const lines = running.stdout.trim().split('\n');
  const figures = lines.map((line) => JSON.parse(line));
  expect(figures.slice(0, 4).map(({ guest }) => guest)).toEqual(['vm1', 'vm2', 'vm1', 'vm2']);
  for (const each of figures.slice(0, 4)) {
    expect(each).toMatchObject({ state: 'running', memory: 2 * 2 ** 20, ballooned: 0 });
    expect(each.processor).toBeGreaterThan(0);
    expect(each.processor).toBeLessThan(101);
    for (const name of ['mips', 'inUse', 'exits']) expect(each[name]).toBeGreaterThan(0);
    expect(each.shared).toBeLessThanOrEqual(each.inUse);
  }
  expect(figures[2].time).toBeGreaterThan(figures[0].time);
});

describe.skipIf(!hasScript)('on a terminal', () => {
  it('a table that stays in its place, until the terminal is given back as it was; then the last one, and the last words', async () => {
    const terminal = new Terminal([...vetro.command, 'run', spinning, ...RUN]);
    const typist = new Typist(terminal);
    await typist.waitFor(/GUEST {12}STATE .*BALLOON {2}EXITS\/S/);
    await typist.waitFor(/guest {12}running +\d+\.\d/);
    typist.type('\x01x');
    await typist.waitFor('\x1b[?1049l');
    await typist.waitFor(/guest {12}stopped/);
    await typist.waitFor(RESTORED);
    expect(await terminal.ended).toBe(0);
  });
});

it.each([
  ['--pool', '0'],
  ['--pool', '1.5'],
  ['--pool', 'much'],
])('%s %s is refused', async (...words) => {
  const { status, stderr } = await vetro.run(['run', spinning, ...words]);
  expect([status, stderr.split('\n').length]).toEqual([2, 2]);
  expect(stderr).toMatch(/^vetro: --pool/);
});
