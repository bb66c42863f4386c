/** Completion in a shell: the protocol, and the scripts in the shells themselves. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CPU_MODEL_NAMES } from '../../src/cpu/cpu-model.ts';
import { ENGINES } from '../../src/engine/processor.ts';
import { buildVetro, type Vetro } from '../support/run-vetro.ts';

const FILES = [':files'];
const hasZsh = spawnSync('zsh', ['--version']).error === undefined;

let vetro: Vetro;
let folder: string;
beforeAll(async () => {
  vetro = await buildVetro();
  folder = mkdtempSync(join(tmpdir(), 'vetro-completion-'));
  writeFileSync(join(folder, 'boot.img'), '');
  writeFileSync(join(folder, 'boot two.img'), '');
});
afterAll(() => {
  vetro.dispose();
  rmSync(folder, { recursive: true, force: true });
});

const ask = async (...words: string[]): Promise<string[]> => {
  const { status, stdout, stderr } = await vetro.run(['--complete', ...words]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout.split('\n').slice(0, -1);
};

describe('vetro --complete', () => {
  // biome-ignore format: one case a line
  const cases: [words: string[], answer: readonly string[]][] = [
    [[''], ['run', 'fetch', 'asm', 'disasm', 'difftest', 'image', 'snapshot', 'recover', 'migrate', 'completion']],
    [['di'], ['disasm', 'difftest']],
    [['--v'], ['--version']],
    [['fly', ''], []],
    [['run', ''], FILES],
    [['image', ''], ['info', 'create', 'convert', 'check']],
    [['image', 'convert', ''], FILES],
    [['image', 'convert', 'boot.img', ''], FILES],
    [['image', 'create', 'x', '--backing', ''], FILES],
    [['image', 'create', 'x', '--format', ''], ['raw', 'qcow2']],
    [['run', 'bo'], FILES],
    [['run', 'boot.img', ''], []],
    [['run', '--memory', '64', ''], FILES],
    [['run', '--demo', ''], FILES],
    [['run', '--eng'], ['--engine']],
    [['run', '--engine', ''], ENGINES],
    [['run', '--engine', 'int'], ['interpreter']],
    [['run', '--engine', '=', 'int'], ['interpreter']],
    [['run', '--engine', '='], ENGINES],
    [['run', '--engine=int'], ['--engine=interpreter']],
    [['run', '--cpu', ''], CPU_MODEL_NAMES],
    [['run', '--clock', ''], ['virtual', 'host']],
    [['run', '--guest', 'debian-686-'], ['debian-686-pae']],
    [['run', '--serial', ''], ['stdio', 'pty', 'file:', 'none']],
    [['run', '--serial', 'file:/tm'], FILES],
    [['run', '--serial', 'file', ':', '/tm'], FILES],
    [['run', '--serial', 'file', ':'], FILES],
    [['run', '--serial=file:/tm'], FILES],
    [['run', '--kernel', ''], FILES],
    [['run', '--kernel=bo'], FILES],
    [['run', '--profile', ''], FILES],
    [['run', '--symbols', 'Sys'], FILES],
    [['run', '--initrd', 'x'], FILES],
    [['run', '--memory', ''], []],
    [['run', '--append', 'c'], []],
    [['fetch', ''], ['debian-686', 'debian-686-pae', 'grub', 'memtest', 'demo']],
    [['fetch', 'debian-686', ''], []],
    [['asm', ''], FILES],
    [['asm', 'x.asm', '-o', ''], FILES],
    [['asm', 'x.asm', '--bits', ''], ['16', '32', '64']],
    [['disasm', '--hex', ''], []],
    [['disasm', ''], FILES],
    [['difftest', ''], ['lockstep']],
    [['difftest', 'lockstep', ''], FILES],
    [['difftest', 'lockstep', '--eng'], ['--engines']],
    [['difftest', 'lockstep', '--kernel', ''], FILES],
    [['completion', 'z'], ['zsh']],
    [[], ['run', 'fetch', 'asm', 'disasm', 'difftest', 'image', 'snapshot', 'recover', 'migrate', 'completion']],
  ];
  it.concurrent.each(cases)('%j', async (words, answer) => {
    expect(await ask(...words)).toEqual(answer);
  });

  it('names every option that the help names', async () => {
    for (const command of ['run', 'fetch', 'asm', 'disasm', 'difftest']) {
      const { stdout } = await vetro.run([command, '--help']);
      const named = [...stdout.matchAll(/^ +(?:-\w, )?(--[a-z-]+)/gm)].map(([, name]) => name!);
      expect(named.length).toBeGreaterThan(1);
      expect((await ask(command, '--')).sort()).toEqual([...named].sort());
    }
  });
});

describe('vetro completion', () => {
  /** What bash would offer for these words. */
  const bash = (...words: string[]): string[] => {
    const script = [
      `vetro() { ${vetro.command.map((word) => `'${word}'`).join(' ')} "$@"; }`,
      'eval "$(vetro completion bash)"',
      'complete -p vetro',
      'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))',
      '_vetro',
      `printf '%s\\n' "$\{COMPREPLY[@]}"`,
    ].join('\n');
    const { stdout, status } = spawnSync('bash', ['-c', script, 'bash', 'vetro', ...words], {
      cwd: folder,
      encoding: 'utf8',
    });
    expect(status).toBe(0);
    const [registered, ...offered] = stdout.trimEnd().split('\n');
    expect(registered).toBe('complete -F _vetro vetro');
    return offered.sort();
  };

  it('bash: commands, options, values and files', () => {
    expect(bash('r')).toEqual(['recover', 'run']);
    expect(bash('run', '--engine', '')).toEqual([...ENGINES].sort());
    expect(bash('run', '--cl')).toEqual(['--clock']);
    expect(bash('run', 'bo')).toEqual(['boot two.img', 'boot.img']);
    expect(bash('run', '--serial', 'file', ':', 'boot.')).toEqual(['boot.img']);
    expect(bash('run', '--serial', 'file', ':')).toEqual(['boot two.img', 'boot.img']);
  });

  it.skipIf(!hasZsh)(`zsh reads its script${hasZsh ? '' : ' (zsh is missing)'}`, async () => {
    const { stdout } = await vetro.run(['completion', 'zsh']);
    const script = `autoload -Uz compinit; compinit -D -u; ${stdout}\nprint -r -- $_comps[vetro]`;
    const run = spawnSync('zsh', ['-f', '-c', script], { encoding: 'utf8' });
    expect(run).toMatchObject({ status: 0, stdout: '_vetro\n' });
  });

  it('another shell is an error that names those there are', async () => {
    const { status, stderr } = await vetro.run(['completion', 'fish']);
    expect(status).toBe(2);
    expect(stderr).toMatch(/^vetro: .*bash.*zsh.*\n$/);
  });
});
