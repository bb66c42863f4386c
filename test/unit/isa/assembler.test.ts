import { describe, expect, it } from 'vitest';
import { UserError } from '../../../src/base/errors.ts';
import { assemble } from '../../../src/isa/assemble.ts';
import type { Mode } from '../../../src/isa/encoding.ts';

const hex = (source: string, bits: Mode = 32): string =>
  [...assemble(source, { bits }).bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');

describe('operands', () => {
  it('takes registers, immediates and memory of every size', () => {
    expect(hex('mov eax, ebx')).toBe('89 d8');
    expect(hex('mov al, [ebx+ecx*4+0x10]')).toBe('8a 44 8b 10');
    expect(hex('mov word [bx+si], 1234h', 16)).toBe('c7 00 34 12');
    expect(hex('mov r8, [rsp+r12*8]', 64)).toBe('4e 8b 04 e4');
    expect(hex('mov sil, 1', 64)).toBe('40 b6 01');
    expect(hex('mov eax, dword ptr [ebp]')).toBe('8b 45 00');
  });
  it('writes address-size and operand-size prefixes where the mode needs them', () => {
    expect(hex('mov ax, [bx]')).toBe('67 66 8b 07');
    expect(hex('mov eax, [ebx]', 16)).toBe('67 66 8b 03');
    expect(hex('mov eax, [ebx]', 64)).toBe('67 8b 03');
    expect(hex('mov eax, [dword 0x12345]', 16)).toBe('67 66 a1 45 23 01 00');
  });
  it('takes the scaled register as index, rSP never', () => {
    expect(hex('lea eax, [ecx*4]')).toBe('8d 04 8d 00 00 00 00');
    expect(hex('lea eax, [eax+esp]')).toBe('8d 04 04');
    expect(hex('lea eax, [eax*5]')).toBe('8d 04 80');
    expect(hex('lea eax, [eax+eax*2-4]')).toBe('8d 44 40 fc');
    expect(() => hex('lea eax, [esp*2]')).toThrow(/line 1: rSP cannot be an index/);
    expect(() => hex('lea eax, [eax+bx]')).toThrow(UserError);
    expect(() => hex('lea ax, [cx]', 16)).toThrow(/no such 16-bit address/);
  });
  it('writes a segment override only where it differs from the default', () => {
    expect(hex('mov eax, [es:ebx]')).toBe('26 8b 03');
    expect(hex('mov eax, es:[ebx]')).toBe('26 8b 03');
    expect(hex('mov eax, [ds:ebx]')).toBe('8b 03');
    expect(hex('mov eax, [ds:ebp]')).toBe('3e 8b 45 00');
    expect(hex('mov eax, [fs:0]', 64)).toBe('64 8b 04 25 00 00 00 00');
  });
  it('takes RIP-relative addresses by name or by default', () => {
    expect(hex('mov eax, [rel x]\nx: dd 0', 64)).toBe('8b 05 00 00 00 00 00 00 00 00');
    expect(hex('default rel\nmov dword [x], 5\nx: dd 0', 64)).toBe('c7 05 00 00 00 00 05 00 00 00 00 00 00 00');
    expect(hex('mov eax, [rip+4]', 64)).toBe('8b 05 04 00 00 00');
  });
  it('refuses AH next to a register that needs REX', () => {
    expect(() => hex('mov ah, r8b', 64)).toThrow(/REX/);
    expect(() => hex('mov ah, sil', 64)).toThrow(UserError);
  });
});

describe('what text may leave out or turn round', () => {
  it('takes usual values, ST0 and ST1', () => {
    expect(hex('aam')).toBe('d4 0a');
    expect(hex('aad 16')).toBe('d5 10');
    expect(hex('fxch')).toBe('d9 c9');
    expect(hex('faddp')).toBe('de c1');
    expect(hex('fadd st3')).toBe('d8 c3');
    expect(hex('fcom')).toBe('d8 d1');
    expect(() => hex('fadd')).toThrow(/no form/);
  });
  it('takes operands in either order where the order means nothing', () => {
    expect(hex('xchg eax, [ebx]')).toBe('87 03');
    expect(hex('test cl, [ebx]')).toBe('84 0b');
    expect(() => hex('cmpxchg ecx, [ebx]')).toThrow(/no form/);
  });
  it('puts FWAIT before the waiting names of x87 control instructions', () => {
    expect(hex('fnstcw [ebx]')).toBe('d9 3b');
    expect(hex('fstcw [ebx]')).toBe('9b d9 3b');
    expect(hex('finit')).toBe('9b db e3');
    expect(hex('fstcw [rel x]\nx:', 64)).toBe('9b d9 3d 00 00 00 00');
  });
});

describe('choice of encoding', () => {
  it('takes the shortest: imm8 for a full immediate, accumulator forms, short jumps', () => {
    expect(hex('add eax, 1')).toBe('83 c0 01');
    expect(hex('add eax, 0xffffffff')).toBe('83 c0 ff');
    expect(hex('add eax, 0x1234')).toBe('05 34 12 00 00');
    expect(hex('mov eax, [0x1234]')).toBe('a1 34 12 00 00');
    expect(hex('mov rax, -1', 64)).toBe('48 c7 c0 ff ff ff ff');
    expect(hex('mov rax, 0x123456789abc', 64)).toBe('48 b8 bc 9a 78 56 34 12 00 00');
    expect(hex('x: jmp x')).toBe('eb fe');
    expect(hex('x: jmp near x')).toBe('e9 fb ff ff ff');
  });
  it('wants a size where the operands leave it open', () => {
    expect(() => hex('mov [ebx], 5')).toThrow(/size of the memory operand is missing/);
    expect(() => hex('movzx eax, [ebx]')).toThrow(/size/);
    expect(hex('mov [ebx], al')).toBe('88 03');
    expect(hex('push word 5')).toBe('66 6a 05');
    expect(hex('push dword [ebx]')).toBe('ff 33');
    expect(hex('o16 push 5')).toBe('66 6a 05');
  });
  it('assembles far transfers', () => {
    expect(hex('jmp 0x08:0x1000')).toBe('ea 00 10 00 00 08 00');
    expect(hex('jmp dword 0x08:0x10000', 16)).toBe('66 ea 00 00 01 00 08 00');
    expect(hex('call far [ebx]')).toBe('ff 1b');
    expect(hex('jmp dword far [bx]', 16)).toBe('66 ff 2f');
    expect(hex('call [ebx]')).toBe('ff 13');
  });
  it('grows jumps only where the target is out of reach', () => {
    const source = (distance: number) => `jz there\ntimes ${distance} db 0\nthere:`;
    expect(hex(source(127)).slice(0, 5)).toBe('74 7f');
    expect(hex(source(128)).slice(0, 17)).toBe('0f 84 80 00 00 00');
    // One jump that grows pushes the target of another out of reach.
    const both = assemble('a: jmp c\nb: jmp d\ntimes 124 db 0\nc: nop\ntimes 4 db 0\nd:');
    expect(both.bytes.length).toBe(5 + 5 + 124 + 1 + 4);
  });
  it('wraps jumps in 16-bit code', () => {
    expect(hex('org 0xfff0\njmp 0x10', 16)).toBe('eb 1e');
  });
});

describe('directives', () => {
  it('lays down data', () => {
    expect(hex(`db 1, 'ab', "c", -1`)).toBe('01 61 62 63 ff');
    expect(hex(`dw 'ab', 'c', 1`)).toBe('61 62 63 00 01 00');
    expect(hex('dd x - 4, 1.0\nx:')).toBe('04 00 00 00 00 00 80 3f');
    expect(hex('dq 0x123456789abcdef0, -1.5')).toBe('f0 de bc 9a 78 56 34 12 00 00 00 00 00 00 f8 bf');
    expect(hex('dt 1.0')).toBe('00 00 00 00 00 00 00 80 ff 3f');
    expect(hex('db `a\\n\\x41`, 0')).toBe('61 0a 41 00');
    expect(() => hex('db 256')).toThrow(/256 does not fit 1 byte/);
  });
  it('reserves, repeats and aligns', () => {
    expect(hex('resb 2\nresw 1')).toBe('00 00 00 00');
    expect(hex('db 1\nalign 4\ndb 2\nalign 4, db_fill\ndb_fill equ 0')).toBe('01 90 90 90 02 00 00 00');
    const boot = assemble('org 0x7c00\nbits 16\nstart: jmp start\ntimes 510-($-$$) db 0\ndw 0xaa55');
    expect(boot).toMatchObject({ origin: 0x7c00, labels: new Map([['start', 0x7c00]]) });
    expect([boot.bytes.length, ...boot.bytes.slice(510)]).toEqual([512, 0x55, 0xaa]);
  });
  it('keeps local labels apart', () => {
    const { labels } = assemble('a:\n.x: nop\njmp .x\nb:\n.x: jmp a.x');
    expect([...labels]).toEqual([
      ['a', 0],
      ['a.x', 0],
      ['b', 3],
      ['b.x', 3],
    ]);
  });
  it('evaluates expressions with the precedence of C', () => {
    expect(hex('db 1 + 2 * 3, (1 + 2) * 3, 1 << 2 + 1, 7 & 3 | 8, -7 / 2 & 0xff, -7 % 2 & 0xff, 3 > 2, ~0 & 0xf')).toBe(
      '07 09 08 0b fd ff 01 0f',
    );
    expect(hex("dd 'abcd', 1010b, 17q, 0ffh, 1_000")).toBe(
      '61 62 63 64 0a 00 00 00 0f 00 00 00 ff 00 00 00 e8 03 00 00',
    );
  });
  it('maps addresses to source lines', () => {
    expect(assemble('nop ; one\n\n  add eax, 1\nend:', { origin: 0x100 }).lines).toEqual([
      { address: 0x100, length: 1, source: { file: undefined, line: 1, text: 'nop ; one' } },
      { address: 0x101, length: 3, source: { file: undefined, line: 3, text: '  add eax, 1' } },
    ]);
  });
});

describe('errors', () => {
  it.each([
    ['nop\nfrob eax', /^line 2: unknown instruction 'frob': frob eax$/],
    ['mov eax', /no form of 'mov' takes these operands/],
    ['mov eax, bl', /no form of 'mov'/],
    ['mov rax, 1', /./],
    ['mov r8d, 1', /only in 64-bit mode/],
    ['jmp nowhere', /'nowhere' is not defined/],
    ['a: nop\na: nop', /^line 2: 'a' is defined twice/],
    ['mov eax, [ebx', /']' expected, found the end of the line/],
    ['mov eax, 1 2', /unexpected '2'/],
    ['db "abc', /unfinished string/],
    ['db 1/0', /division by zero/],
    ['times -1 nop', /^line 1: the count of times must be from 0 to 67108864, not -1: times -1 nop$/],
    ['align 0', /^line 1: align takes a power of two, not 0: align 0$/],
    ['align -4', /align takes a power of two, not -4/],
    ['db 1\nalign 3', /^line 2: align takes a power of two, not 3/],
    ['jmp short x\ntimes 200 db 0\nx:', /does not fit 8 bits/],
    ['bits 33', /16, 32 or 64/],
    ['nop\norg 5', /before the first byte/],
    ['eax: nop', /is a register/],
    ['db 09z', /malformed number/],
    ['times 100000000 db 0', /^line 1: the count of times must be from 0 to 67108864, not 100000000: /],
    ['times 67108864 dw 0', /^line 1: the output is too large: it may have 67108864 bytes: /],
    ['resq 20000000', /^line 1: the output is too large/],
  ])('%j', (source, message) => {
    expect(() => assemble(source)).toThrow(message);
    expect(() => assemble(source)).toThrow(UserError);
  });
});

describe('sources that are too much', () => {
  const [open, close] = ['(', ')'].map((parenthesis) => parenthesis.repeat(3000));
  it.each([
    ['parentheses', `dd ${open}1${close}`],
    ['parentheses in an address', `mov eax, [${open}1${close}]`],
    ['parentheses in a count', `times ${open}1${close} nop`],
    ['minus signs', `dd ${'-'.repeat(100_000)}1`],
    ['other signs', `mov eax, ${'~!+'.repeat(100_000)}1`],
    ['both', `x equ ${'-('.repeat(101)}1${')'.repeat(101)}`],
  ])('refuses an expression nested too deeply: %s', (_, source) => {
    expect(() => assemble(source)).toThrow(/^line 1: expression nested too deeply: more than 200 levels: /);
    expect(() => assemble(source)).toThrow(UserError);
  });
  it('takes what is long but not deep', () => {
    expect(hex(`db ${'('.repeat(200)}1${')'.repeat(200)}`)).toBe('01');
    expect(hex(`dd 1${'+1'.repeat(100_000)}`)).toBe('a1 86 01 00');
    expect(hex(`mov eax, [ebx${'+1'.repeat(100_000)}]`)).toBe('8b 83 a0 86 01 00');
    expect(hex(`x equ 1${'+1'.repeat(100_000)}\ndd x`)).toBe('a1 86 01 00');
    expect(assemble(`db "${'€'.repeat(200_000)}"`).bytes.length).toBe(600_000);
  });

  it('assembles once what times repeats at any address', () => {
    const { bytes, lines } = assemble("db 9\ntimes 10_000_000 nop\ntimes 3 db 'ab', 1\ndb 8");
    expect(bytes.length).toBe(10_000_011);
    expect(bytes.subarray(0, 10_000_001).every((byte, index) => byte === (index === 0 ? 9 : 0x90))).toBe(true);
    expect([...bytes.subarray(10_000_001)]).toEqual([97, 98, 1, 97, 98, 1, 97, 98, 1, 8]);
    expect(lines.map(({ address, length }) => [address, length])).toEqual([
      [0, 1],
      [1, 10_000_000],
      [10_000_001, 9],
      [10_000_010, 1],
    ]);
    expect(assemble('times 60_000_000 bits 16\nnop').bytes.length).toBe(1);
  });
  it('assembles each repetition that depends on its address', () => {
    expect(hex('times 3 db $')).toBe('00 01 02');
    expect(hex('times 2 jmp end\nend:')).toBe('eb 02 eb 00');
    expect(hex('times 2 call 0')).toBe('e8 fb ff ff ff e8 f6 ff ff ff');
    expect(hex('times 2 lea eax, [rel 0]', 64)).toBe('8d 05 fa ff ff ff 8d 05 f4 ff ff ff');
    expect(hex('db 1\ntimes 3 align 4')).toBe('01 90 90 90');
    expect(hex('times 3 db end-$\nend:')).toBe('03 02 01');
  });
  it('refuses too many of those, all lines counted', () => {
    const message = /^line 2: times repeats what depends on its address more than 65536 times, in all: /;
    expect(() => assemble('nop\ntimes 10_000_000 db $ & 1')).toThrow(message);
    expect(() => assemble('times 60_000 db $ & 1\ntimes 6_000 jmp $')).toThrow(message);
  });
});

describe('names defined by each other', () => {
  it.each([
    ['x equ y\ny equ x\ndw x', /^line 1: x and y are defined by each other: x equ y$/],
    ['x equ y\ny equ x + 1', /^line 1: x and y are defined by each other/],
    ['nop\nx equ x', /^line 2: x is defined by itself: x equ x$/],
    ['x equ 5 - -(2 * x)', /^line 1: x is defined by itself/],
    ['d equ 1\na equ b + d\nb equ c * (d - 1)\nc equ -a', /^line 2: a, b and c are defined by each other/],
    ['start equ x\nx equ y\ny equ x', /^line 2: x and y are defined by each other: x equ y$/],
    ['main:\n.x equ .y\n.y equ .x', /^line 2: main\.x and main\.y are defined by each other/],
    [
      Array.from({ length: 3000 }, (_, index) => `x${index} equ x${(index + 1) % 3000}`).join('\n'),
      /^line 1: x0, x1, x2, x3, x4, x5, x6, x7 and 2992 more are defined by each other: /,
    ],
  ])('%#', (source, message) => {
    expect(() => assemble(source)).toThrow(message);
    expect(() => assemble(source)).toThrow(UserError);
  });
  it('are not those that share one, or come later', () => {
    expect(hex('a equ b + c\nb equ d\nc equ d\nd equ 2\ndb a, here\nhere equ $')).toBe('04 02');
  });
});

describe('U9: %include', () => {
  const files: Record<string, string> = {
    'lib/a.asm': '%include "b.asm"\na: db 1',
    'lib/b.asm': 'b: db 2\n.c: db 3',
    'lib/wrong.asm': 'nop\nmov eax, bl',
    'lib/undefined.asm': '\ncall nowhere',
    'lib/twice.asm': 'b: nop',
    'lib/self.asm': 'nop\n%include "self.asm"',
    'lib/ping.asm': '%include "pong.asm"',
    'lib/pong.asm': 'nop\n%include "ping.asm"',
    'lib/missing.asm': '\n%include "none.asm"',
    'lib/endless.asm': '%include "./endless.asm"',
    'lib/wide.asm': '%include "wide1.asm"\n'.repeat(10),
  };
  for (let level = 1; level < 30; level++)
    files[`lib/wide${level}.asm`] = `%include "wide${level + 1}.asm"\n`.repeat(10);
  files['lib/wide30.asm'] = `; ${'x'.repeat(100_000)}`;
  const include = (name: string, from: string) => {
    const path = `${from.replace(/[^/]*$/, '')}${name}`;
    const text = files[path.replaceAll('./', '')];
    if (text === undefined) throw new UserError(`cannot read ${path}`);
    return { name: path, text };
  };
  const assembleAll = (text: string) => assemble(text, { file: 'main.asm', include });

  it('puts a file in the place of the line, relative to the file that has the line', () => {
    const { bytes, labels, lines } = assembleAll('db 0\n %include "lib/a.asm" ; its text\ndb 4\n');
    expect([...bytes]).toEqual([0, 2, 3, 1, 4]);
    expect([...labels.keys()]).toEqual(['b', 'b.c', 'a']);
    expect(lines.map(({ source: { file, line } }) => `${file}:${line}`)).toEqual([
      'main.asm:1',
      'lib/b.asm:1',
      'lib/b.asm:2',
      'lib/a.asm:2',
      'main.asm:3',
    ]);
  });

  it('takes a file more than once, and all kinds of quotes', () => {
    files['lib/data.asm'] = 'db 7';
    expect([
      ...assembleAll('%include "lib/data.asm"\n%include \'lib/data.asm\'\n%INCLUDE `lib/data.asm`').bytes,
    ]).toEqual([7, 7, 7]);
  });

  it.each([
    ['nop\nfrob', /^main\.asm:2: unknown instruction 'frob': frob$/],
    ['%include "lib/wrong.asm"', /^lib\/wrong\.asm:2: no form of 'mov' .*: mov eax, bl$/],
    ['%include "lib/undefined.asm"', /^lib\/undefined\.asm:2: 'nowhere' is not defined: call nowhere$/],
    ['b: nop\n%include "lib/twice.asm"', /^lib\/twice\.asm:1: 'b' is defined twice, first at main\.asm:1: b: nop$/],
    ['%include "lib/self.asm"', /^lib\/self\.asm:2: circular include: lib\/self\.asm includes lib\/self\.asm: /],
    [
      '%include "lib/ping.asm"',
      /^lib\/pong\.asm:2: circular include: lib\/ping\.asm includes lib\/pong\.asm includes /,
    ],
    ['%include "lib/missing.asm"', /^lib\/missing\.asm:2: cannot read lib\/none\.asm: %include "none\.asm"$/],
    ['%include "lib/endless.asm"', /^lib\/.*endless\.asm:1: files are included more than 64 deep: /],
    ['%include "lib/wide.asm"', /^lib\/wide\d+\.asm:\d+: the source is too large, with all that it includes: /],
    ['%include lib', /^main\.asm:1: %include takes a file name in quotes: %include lib$/],
    ['%include ""', /^main\.asm:1: %include takes a file name in quotes/],
    ['\n%define X 1', /^main\.asm:2: %define is not known, only %include is: %define X 1$/],
    ['\nlabel equ label + 1', /^main\.asm/],
    ['\x1b[31m\0', /^main\.asm:1: unexpected character '\ufffd': \ufffd\[31m\ufffd$/],
    [`db ${'1,'.repeat(1000)}bad(`, /^main\.asm:1: .{1,200}…$/],
  ])('names file and line: %s', (text, message) => {
    expect(() => assembleAll(text)).toThrow(UserError);
    expect(() => assembleAll(text)).toThrow(message);
  });

  it('without files, says so', () => {
    expect(() => assemble('%include "a"')).toThrow('line 1: there are no files to include here: %include "a"');
  });
});
