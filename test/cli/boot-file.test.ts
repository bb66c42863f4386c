import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createFlatKernel, PRINT_ALL } from '../support/multiboot-kernel.ts';
import { buildVetro, type Vetro } from '../support/run-vetro.ts';

const ROMS = resolve(import.meta.dirname, '../../roms');

/** A file of `size` bytes that has these bytes, or text, at the places given; the rest is no text. */
function fileWith(pieces: Readonly<Record<number, string | readonly number[]>>, size = 4096): Uint8Array {
  const bytes = new Uint8Array(size).fill(0x90);
  for (const [at, piece] of Object.entries(pieces)) {
    bytes.set(typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece, Number(at));
  }
  return bytes;
}

/** Says hello on the serial port and halts for good. */
const HELLO = `
org 0x7c00
bits 16
%include "lib/print.asm"
start: mov si, text
       call print
       cli
       hlt
text:  db 'hello from 7c00', 10, 0
`;
const PRINT = `
       jmp start
print: mov dx, 0x3fb
       mov al, 3 ; 8 bits
       out dx, al
       mov dx, 0x3f8
.next: cs lodsb
       test al, al
       jz .done
       out dx, al
       jmp .next
.done: ret
`;

describe('U9: vetro asm and vetro run', () => {
  let vetro: Vetro;
  let folder: string;
  const file = (name: string) => join(folder, name);

  beforeAll(async () => {
    vetro = await buildVetro();
    folder = mkdtempSync(join(tmpdir(), 'vetro-boot-'));
    mkdirSync(file('src/lib'), { recursive: true });
    writeFileSync(file('src/hello.asm'), HELLO);
    writeFileSync(file('src/lib/print.asm'), PRINT);
    writeFileSync(file('src/sector.asm'), `${HELLO}times 510-($-$$) db 0\ndw 0xaa55\n`);
    writeFileSync(file('src/large.asm'), `${HELLO}times 300_000 db 0x90\n`);
    writeFileSync(file('src/wrong.asm'), 'nop\n%include "lib/wrong.asm"\n');
    writeFileSync(file('src/lib/wrong.asm'), 'nop\nnop\nmov eax, bl\n');
    writeFileSync(file('src/missing.asm'), '\n%include "lib/none.asm"\n');
    writeFileSync(file('src/circular.asm'), '%include "lib/circular.asm"\n');
    writeFileSync(file('src/lib/circular.asm'), '%include "../circular.asm"\n');
    writeFileSync(file('text'), 'This is no kernel.\n');
    writeFileSync(file('empty'), '');
    writeFileSync(file('code'), Uint8Array.of(0xf4));
    writeFileSync(file('multiboot'), createFlatKernel({ source: PRINT_ALL }));
    writeFileSync(file('large'), new Uint8Array(700_000).fill(0x90));
    writeFileSync(file('disc.iso'), fileWith({ 32769: 'CD001' }, 0x9000));
    truncateSync(file('disc.iso'), 8 * 2 ** 30);
  });
  afterAll(() => {
    vetro.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  it.each(['hello', 'sector', 'large'])('what asm makes of %s.asm boots', async (name) => {
    const image = file(`${name}.img`);
    expect(await vetro.run(['asm', file(`src/${name}.asm`), '-o', image])).toMatchObject({ status: 0, stderr: '' });
    expect(readFileSync(image).length).toBeGreaterThan(40);
    for (const how of [[image], [image, '--engine', 'reference', '--memory', '1']]) {
      const { status, stdout, stderr } = await vetro.run(['run', ...how]);
      expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: 'hello from 7c00\n', stderr: '' });
    }
  });

  it('roms/demo.asm is assembled and booted by the command', async () => {
    const image = file('demo.img');
    expect(await vetro.run(['asm', join(ROMS, 'demo.asm'), '-o', image])).toMatchObject({ status: 0, stderr: '' });
    const { status, stdout } = await vetro.run(['run', image], { input: 'halt\n' });
    expect(status).toBe(0);
    expect(stdout).toContain('Vetro demo: protected mode');
  });

  it('a Multiboot kernel, by FILE and by --kernel, with its command line and modules', async () => {
    const modules = ['--module', file('src/hello.asm'), '--module', `${file('text')} --root  device `];
    const expected = `a b\n\n${HELLO}--root  device\nThis is no kernel.\n`;
    for (const kernel of [[file('multiboot')], ['--kernel', file('multiboot')]]) {
      const { status, stdout, stderr } = await vetro.run(['run', ...kernel, '--append', 'a b', ...modules]);
      expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: expected, stderr: '' });
    }
    expect(await vetro.run(['run', file('multiboot'), '--memory', '4'])).toMatchObject({ status: 0, stdout: '\n' });
  });

  it('the listing has the lines of included files in their places', async () => {
    const { stdout } = await vetro.run(['asm', file('src/hello.asm')]);
    const text = stdout.split('\n').map((line) => line.slice(28).trim());
    expect(text.indexOf('print: mov dx, 0x3fb')).toBe(text.indexOf('%include "lib/print.asm"') + 3);
    expect(stdout).toMatch(/^00007c00 {2}eb.. {14} +jmp start$/m);
  });

  // biome-ignore format: one case a line
  it.each<[what: string, args: string, message: RegExp]>([
    ['an error in an included file', 'asm @/src/wrong.asm', /^vetro: .*\/src\/lib\/wrong\.asm:3: no form of 'mov' .*: mov eax, bl$/],
    ['a missing include', 'asm @/src/missing.asm', /^vetro: .*\/src\/missing\.asm:2: cannot read the included file .*\/src\/lib\/none\.asm: no such file: %include "lib\/none\.asm"$/],
    ['a circular include', 'asm @/src/circular.asm', /^vetro: .*\/lib\/circular\.asm:1: circular include: .*\/src\/circular\.asm includes .*\/src\/lib\/circular\.asm includes .*\/src\/circular\.asm: /],
    ['a binary as source', 'asm @/large', /^vetro: .*\/large:1: unexpected character/],
    ['an output over a source', 'asm @/src/hello.asm -o @/src/lib/../lib/print.asm', /^vetro: --output .*print\.asm is a source itself$/],
    ['text', 'run @/text', /^vetro: .*\/text seems to be text; .*vetro asm/],
    ['an empty file', 'run @/empty', /^vetro: .*\/empty seems to be empty; what boots is/],
    ['an ISO of 8 GiB, which is not read for that', 'run @/disc.iso', /^vetro: .*\/disc\.iso is cut off: it has 8589934592 bytes of the \d+ that the CD has$/],
    ['a program of this machine', `run ${process.execPath}`, /^vetro: .* seems to be an ELF file; /],
    ['a flat image that does not fit', 'run @/large', /^vetro: .*\/large is no kernel that boots, and too large for a flat image: 700000 bytes, there is room for 622592$/],
    ['a missing file', 'run @/none', /^vetro: cannot read the boot file .*\/none: no such file$/],
    ['a folder', 'run @/src', /^vetro: cannot read the boot file .*\/src: it is a directory; give a regular file$/],
    ['a file and --kernel', 'run @/text --kernel @/text', /^vetro: FILE and --kernel both say what to boot: give one of them$/],
    ['a file and --demo', 'run @/code --demo', /^vetro: FILE and --demo both say what to boot: give one of them$/],
    ['a flat image with --append', 'run @/code --append x', /^vetro: --append needs a kernel; .*\/code is a flat image$/],
    ['a flat image with --initrd', 'run @/code --initrd @/text', /^vetro: --initrd needs a kernel; .*\/code is a flat image$/],
    ['a flat image as --kernel', 'run --kernel @/code', /^vetro: the kernel .*\/code is neither a Linux bzImage nor for Multiboot but a flat image: boot that with vetro run FILE$/],
    ['two files', 'run @/code @/code', /^vetro: one argument too many: .*\/code; see vetro run --help$/],
  ])('one line for %s', async (_, args, message) => {
    const { status, stdout, stderr } = await vetro.run(args.split(' ').map((word) => word.replace('@/', `${folder}/`)));
    expect(stderr.trimEnd()).toMatch(message);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(readFileSync(file('src/lib/print.asm'), 'utf8')).toBe(PRINT);
  });
});
