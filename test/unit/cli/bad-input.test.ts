import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createBzImage } from '../../support/bz-image.ts';
import { buildVetro, type Vetro } from '../../support/run-vetro.ts';

let vetro: Vetro;
let folder: string;
const file = (name: string) => join(folder, name);

beforeAll(async () => {
  vetro = await buildVetro();
  folder = mkdtempSync(join(tmpdir(), 'vetro-bad-input-'));
  const kernel = createBzImage({ code: new Uint8Array(20_000) });
  writeFileSync(file('bzImage'), kernel);
  writeFileSync(file('truncated'), kernel.subarray(0, 9000));
  writeFileSync(file('text'), 'This is no kernel.\n'.repeat(100));
  writeFileSync(file('empty'), '');
  writeFileSync(file('initrd'), new Uint8Array(20 * 2 ** 20));
  writeFileSync(file('wrong.asm'), 'mov eax, ebx\nmov eax, bl\n');
});

afterAll(() => {
  vetro.dispose();
  rmSync(folder, { recursive: true, force: true });
});

describe('bad input gives one clear line and exit status 2', () => {
  // biome-ignore format: one case a line
  const cases: [what: string, args: string, message: RegExp][] = [
    ['a missing kernel', 'run --kernel @/none', /^vetro: cannot read the kernel .*\/none: no such file$/],
    ['a folder as kernel', 'run --kernel @/.', /^vetro: cannot read the kernel .*: it is a directory; give a regular file$/],
    ['a text file as kernel', 'run --kernel @/text', /^vetro: the kernel .*\/text is not a Linux bzImage: it is text; /],
    ['an empty file as kernel', 'run --kernel @/empty', /^vetro: the kernel .*\/empty is not a Linux bzImage: it is empty; /],
    ['a truncated bzImage', 'run --kernel @/truncated', /^vetro: the kernel is truncated: 9000 of 21024 bytes$/],
    ['a missing initrd', 'run --kernel @/bzImage --initrd @/none', /^vetro: cannot read the initrd .*: no such file$/],
    ['an initrd larger than memory', 'run --kernel @/bzImage --initrd @/initrd --memory 16', /^vetro: the initrd \(20 MiB\) does not fit/],
    ['an initrd without a kernel', 'run --initrd @/initrd', /^vetro: .*kernel/],
    ['--memory 0', 'run --kernel @/bzImage --memory 0', /^vetro: memory must be a whole number of MiB from 1 to 3072, not 0$/],
    ['--memory with no number', 'run --kernel @/bzImage --memory lots', /^vetro: memory must be a whole number/],
    ['--memory beyond what there is', 'run --kernel @/bzImage --memory 99999', /^vetro: memory must be a whole number/],
    ['an unknown CPU', 'run --kernel @/bzImage --cpu 6502', /^vetro: unknown CPU "6502"; known: i686$/],
    ['an unknown engine', 'run --kernel @/bzImage --engine warp', /^vetro: .*engine.*warp/],
    ['an unknown clock', 'run --kernel @/bzImage --clock sun', /^vetro: .*clock.*sun/],
    ['an unknown serial kind', 'run --kernel @/bzImage --serial carrier-pigeon', /^vetro: --serial carrier-pigeon: must be/],
    ['a serial file that cannot be written', 'run --kernel @/bzImage --serial file:@/none/log', /^vetro: cannot write .*none\/log/],
    ['--count 0', 'run --kernel @/bzImage --count 0', /^vetro: --count must be a whole number from 1 on$/],
    ['--weight 0', 'run --kernel @/bzImage --weight 0', /^vetro: --weight must be a number above 0$/],
    ['an option given twice', 'run --kernel @/bzImage --kernel @/text', /^vetro: --kernel is given twice$/],
    ['an option without its value', 'run --append', /^vetro: Not enough arguments following: append$/],
    ['an unknown option', 'run --colour blue', /^vetro: Unknown argument.*colour/],
    ['an unknown command', 'fly', /^vetro: Unknown argument: fly$/],
    ['no command', '', /^vetro: a command is needed/],
    ['an unknown system', 'fetch plan9', /^vetro: .*plan9/],
    ['a missing source', 'asm @/none.asm', /^vetro: cannot read the source .*: no such file$/],
    ['a wrong source', 'asm @/wrong.asm', /^vetro: .*2/],
    ['nothing to disassemble', 'disasm', /^vetro: give a file, or bytes with --hex$/],
    ['an odd number of digits', 'disasm --hex 123', /^vetro: --hex takes pairs of hexadecimal digits$/],
  ];

  it.concurrent.each(cases)('%s', async (_, args, message) => {
    const words = args.split(' ').filter((word) => word !== '');
    const { status, stdout, stderr } = await vetro.run(words.map((word) => word.replace('@/', `${folder}/`)));
    expect(stderr.trimEnd()).toMatch(message);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(stdout).toBe('');
    expect(status).toBe(2);
  });
});

describe('vetro', () => {
  it('--version prints the version', async () => {
    expect(await vetro.run(['--version'])).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
    });
  });

  it('--help names the commands; run --help the keys and exit statuses', async () => {
    const help = await vetro.run(['--help']);
    expect(help.status).toBe(0);
    for (const command of ['run', 'fetch', 'asm', 'disasm']) expect(help.stdout).toContain(`vetro ${command}`);
    const runHelp = await vetro.run(['run', '--help']);
    expect(runHelp.stdout).toContain('Ctrl-A x');
    expect(runHelp.stdout).toContain('Exit status');
  });

  it('asm and disasm are each other’s inverse', async () => {
    const source = 'bits 16\norg 0x7c00\nstart: mov ax, 0x1234\njmp start\n';
    const assembled = await vetro.run(['asm', '-'], { input: source });
    expect(assembled).toMatchObject({ status: 0, stderr: '' });
    expect(assembled.stdout).toContain('00007c00  b83412            start: mov ax, 0x1234');
    const disassembled = await vetro.run(['disasm', '--hex', 'b83412 ebfb', '--bits', '16', '--origin', '0x7c00']);
    expect(disassembled.stdout.split('\n').map((line) => line.slice(28))).toEqual(['mov ax, 0x1234', 'jmp 0x7c00', '']);
  });
});
