/** The monitor's commands on a small guest, without a terminal. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MONITOR_HELP, Monitor } from '../../../src/cli/monitor-commands.ts';
import { Random } from '../../../src/difftest/random.ts';
import { createPlatform } from '../../../src/host/platform.ts';
import type { PcGuest } from '../../../src/hypervisor/create-guest.ts';
import { Host } from '../../../src/hypervisor/host.ts';
import { assemble } from '../../../src/isa/assemble.ts';

const { bytes, labels } = assemble(`
org 0x7c00
bits 16
start: mov ax, 0x1234
       mov ss, cx
       mov sp, 0x7000
again: inc bx
       call routine
behind: mov [0x600], bx
       mov di, 0x700
       mov cx, 50
filling: rep stosb
filled: jmp again
routine: push ax
       pop dx
       ret
text:  db 'Hello', 10, 0, 'second "one"', 0
       dd 0x11223344, -1, 0`);
const at = (name: string): string => labels.get(name)!.toString(16);

let host: Host | undefined;
let guest: PcGuest;
let monitor: Monitor;
const create = (engine: 'interpreter' | 'reference') => async () => {
  host?.dispose();
  host = new Host({ platform: createPlatform() });
  guest = await host.createGuest({ boot: { image: bytes }, memory: 1, engine });
  monitor = new Monitor(guest);
};
// The interpreter takes a while to be made.
beforeEach(create('reference'));
afterEach(() => host?.dispose());

const say = async (line: string): Promise<string> => (await monitor.execute(line)).text;

describe('U1: the monitor says what it did not understand, in one line', () => {
  // biome-ignore format: one case a line
  it.each<[line: string, answer: string]>([
    ['m 1 -5', '"-5" is not a count: a whole number from 1 to 65536'],
    ['u 7c00 -1', '"-1" is not a count: a whole number from 1 to 1000'],
    ['m 1 0', '"0" is not a count: a whole number from 1 to 65536'],
    ['m 1 1e9', '"1e9" is not a count: a whole number from 1 to 65536'],
    ['m 1 99999999999', '"99999999999" is not a count: a whole number from 1 to 65536'],
    ['s 0', '"0" is not a count: a whole number from 1 to 9007199254740991'],
    ['s 1.5', '"1.5" is not a count: a whole number from 1 to 9007199254740991'],
    ['s 99999999999999999999', '"99999999999999999999" is not a count: a whole number from 1 to 9007199254740991'],
    ['m zz', '"zz" is neither a hexadecimal number nor a register (see h)'],
    ['m 1ffffffff', '"1ffffffff" is too large: an address has 32 bits'],
    ['m -5', '"-5" is not an address: a number or register is missing'],
    ['m eax+zz', '"zz" in "eax+zz" is neither a hexadecimal number nor a register (see h)'],
    ['m 1+', '"1+" is not an address: a number or register is missing'],
    ['m a:b:c', '"a:b:c" is not an address: it has more than one colon'],
    ['m xs:5', '"xs" in "xs:5" is neither a segment register nor a selector'],
    ['m 1 2 3', '"3" is one word too many: m [addr] [n]'],
    ['r eax', '"eax" is one word too many: r'],
    ['w', 'a word is missing: w addr [len] [r|w|rw]'],
    ['w 600 4 x', '"x" is not one of r, w, rw'],
    ['w 600 x', '"x" is not a count: a whole number from 1 to 4096'],
    ['d 7', '"7" is not the number of a breakpoint; b lists them'],
    ['x/3q 0', '"q" in "x/3q" is no format (x d u o t a c s i) and no unit (b h w g)'],
    ['x/-3x 0', '"-" in "x/-3x" is no format (x d u o t a c s i) and no unit (b h w g)'],
    ['x/0x 0', '"0" is not a count: a whole number from 1 to 16384'],
    ['x/99999999x 0', '"99999999" is not a count: a whole number from 1 to 16384'],
    ['frob', '"frob" is no command; h lists them'],
    ['constructor', '"constructor" is no command; h lists them'],
    ['\u001b[31m', '"\\u001b[31m" is no command; h lists them'],
    ['M 1', '"M" is no command; h lists them'],
  ])('%s', async (line, answer) => {
    expect(await say(line)).toBe(answer);
  });

  it('after a wrong line everything is as before', async () => {
    await say('m 1 -5');
    expect(await say('r')).toContain('eip 00007c00');
    expect(guest.instructions).toBe(0);
  });
});

describe('U1: help', () => {
  it('fits a screen of 24 × 80 with the prompt below it, and names every command', async () => {
    const lines = MONITOR_HELP.split('\n');
    expect(lines.length).toBeLessThanOrEqual(23);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(80);
    for (const name of [
      'r',
      'x',
      'm',
      'u',
      's',
      'n',
      'g',
      'b',
      'w',
      'd',
      't',
      'i',
      'balloon',
      'eject',
      'insert',
      'reset',
      'c',
      'p',
      'q',
    ])
      expect(MONITOR_HELP).toMatch(new RegExp(`(^|\\s)${name}[\\s,:/]`, 'm'));
    for (const line of ['h', 'help', '?']) expect(await say(line)).toBe(MONITOR_HELP);
  });
});

describe('U1: addresses', () => {
  // biome-ignore format: one case a line
  it.each<[address: string, first: string]>([
    ['7c00', '00007c00'], ['0x7C00', '00007c00'], ['7c00h', '00007c00'], ['7c0:0', '00007c00'], ['7c0h:0x10', '00007c10'],
    ['eip', '00007c03'], ['$eip+10', '00007c13'], ['$pc-3', '00007c00'], ['cs:eip', '00007c03'], ['cs:ip + 1', '00007c04'],
    ['ax', '00001234'], ['al', '00000034'], ['ah', '00000012'], ['0ah', '0000000a'], ['$eax-ax', '00000000'],
    ['ss:esp', '00007c00'], ['ds:ax', '00001234'], ['cr0', '60000010'], ['ffffffff+2', '00000001'], ['1-2', 'ffffffff'],
  ])('%s', async (address, first) => {
    guest.step();
    expect((await say(`m ${address} 1`)).slice(0, 8)).toBe(first);
  });
});

describe('U1: memory', () => {
  const text = labels.get('text')!;
  const data = text + 6 + 1 + 12 + 1;
  const hex8 = (address: number) => address.toString(16).padStart(8, '0');

  // biome-ignore format: one case a line
  it.each<[what: string, line: string, answer: string]>([
    ['words', `x/3xw ${data.toString(16)}`, `${hex8(data)}  0x11223344  0xffffffff  0x00000000`],
    ['the letters in any order', `x/2wx ${data.toString(16)}`, `${hex8(data)}  0x11223344  0xffffffff`],
    ['bytes', `x/4xb ${data.toString(16)}`, `${hex8(data)}  0x44  0x33  0x22  0x11`],
    ['giants', `x/1xg ${data.toString(16)}`, `${hex8(data)}  0xffffffff11223344`],
    ['signed', `x/3dw ${data.toString(16)}`, `${hex8(data)}  287454020  -1         0`],
    ['unsigned halves', `x/2uh ${data.toString(16)}`, `${hex8(data)}  13124  4386`],
    ['octal', `x/1ob ${data.toString(16)}`, `${hex8(data)}  0104`],
    ['binary', `x/2tb ${data.toString(16)}`, `${hex8(data)}  01000100  00110011`],
    ['addresses', `x/1a ${data.toString(16)}`, `${hex8(data)}  0x11223344`],
    ['characters', `x/6c ${text.toString(16)}`, `${hex8(text)}  72 'H'   101 'e'  108 'l'  108 'l'  111 'o'  10 '\\n'`],
    ['strings', `x/2s ${text.toString(16)}`, `${hex8(text)}  "Hello\\n"\n${hex8(text + 7)}  "second \\"one\\""`],
    ['instructions', 'x/2i 7c00', '00007c00  b83412            mov ax, 0x1234\n00007c03  8ed1              mov ss, cx'],
    ['with a blank', `x /1xb ${data.toString(16)}`, `${hex8(data)}  0x44`],
  ])('x: %s', async (_, line, answer) => {
    expect(await say(line)).toBe(answer);
  });

  it('x keeps format and unit, and goes on behind the last; so do m and u, and an empty line', async () => {
    await say(`x/1xh ${data.toString(16)}`);
    expect(await say('x')).toBe(`${hex8(data + 2)}  0x1122`);
    expect(await say('')).toBe(`${hex8(data + 4)}  0xffff`);
    expect(await say('m 7c00 2')).toMatch(/^00007c00 {2}b8 34 /);
    expect(await say('m')).toMatch(/^00007c02 {2}12 8e /);
    expect(await say('u 7c00 1')).toMatch(/^00007c00 .*mov ax, 0x1234$/);
    expect(await say('')).toMatch(/^00007c03 .*mov ss, cx\n(.*\n){6}.*$/);
  });

  it('x/i and u go on at 0 behind the last address', async () => {
    for (const line of ['x/4i 0xffffffff', 'u 0xffffffff 4'])
      expect((await say(line)).split('\n').map((row) => row.slice(0, 8))).toEqual([
        'ffffffff',
        ...['00000001', '00000003', '00000005'], // the first takes two bytes
      ]);
  });

  it('says where nothing is mapped', async () => {
    // Paging on; page 0 is mapped to itself, the page behind it is not.
    const { state } = guest.machine.processor;
    guest.machine.memory.copyIn(0x2000, Uint8Array.of(0x03, 0x30, 0, 0));
    guest.machine.memory.copyIn(0x3000, Uint8Array.of(0x03, 0, 0, 0));
    state.cr3 = 0x2000;
    state.cr0 = (state.cr0 | 0x8000_0001) >>> 0;
    guest.machine.processor.modeChanged();
    expect(await say('m ff0 32')).toMatch(/^00000ff0 {2}(00 ){16}.*\n00001000 {2}not mapped$/);
    expect(await say('x/2xw ffc')).toBe('00000ffc  0x00000000\n00001000  not mapped');
    expect(await say('u 5000')).toBe('00005000  not mapped');
    expect(await say('x/s 5000')).toBe('00005000  not mapped');
    expect(await say('r')).toContain('cr3 00002000');
  });
});

describe('U1: moving the guest', () => {
  beforeEach(create('interpreter'));

  it('s steps; an empty line steps again', async () => {
    expect(await say('s')).toMatch(/^00007c03 /);
    expect(await say('')).toMatch(/^00007c05 /);
    expect(await say('s 2')).toContain('call');
    expect(guest.instructions).toBe(4);
    expect(await say('')).toContain('pop dx');
  });

  it('s 99999999 does not stop at a million in silence: it goes on until it is done, or interrupted', async () => {
    expect(await say('s 1500000')).toMatch(/^0000/);
    expect(guest.instructions).toBe(1_500_000);
    const shown: string[] = [];
    const interrupt = new AbortController();
    const { text } = await monitor.execute('s 9999999999', {
      signal: interrupt.signal,
      onProgress: (step, percent) => {
        shown.push(`${step} ${percent! >= 0}`);
        if (shown.length === 2) interrupt.abort();
      },
    });
    expect(shown[0]).toMatch(/^[\d,]+ instructions; Ctrl-C interrupts true$/);
    expect(text).toMatch(/^interrupted after [\d,]+ instructions\n0000[0-9a-f]{4} /);
    expect(guest.state).toBe('paused');
    const count = guest.instructions;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(guest.instructions).toBe(count);
  });

  it('n steps over calls and repeated instructions, and into nothing else', async () => {
    await say('s 4');
    expect(await say('n')).toMatch(new RegExp(`^0000${at('behind')} `));
    await say('s 3');
    expect(await say('n')).toMatch(new RegExp(`^0000${at('filled')} `));
    expect(await say('')).toMatch(new RegExp(`^0000${at('again')} `));
    expect(guest.breakpoints.list).toEqual([]);
  });

  it('g goes up to an address, a breakpoint, or Ctrl-C', async () => {
    expect(await say(`g ${at('behind')}`)).toMatch(new RegExp(`^0000${at('behind')} `));
    await say(`b ${at('routine')}`);
    expect(await say('g')).toMatch(new RegExp(`^breakpoint 1\n0000${at('routine')} `));
    await say('d');
    const interrupt = new AbortController();
    setTimeout(() => interrupt.abort(), 50);
    expect((await monitor.execute('g', { signal: interrupt.signal })).text).toMatch(/^interrupted after/);
    expect(guest.breakpoints.list).toEqual([]);
  });

  it('b, w and d set, list and delete; s and g say what was met', async () => {
    expect(await say('b')).toBe('no breakpoints');
    expect(await say(`b ${at('again')}`)).toBe(`1  break at 0000${at('again')}`);
    expect(await say('w 600')).toBe('2  watch writes of 4 bytes at 00000600');
    expect(await say('w ds:700 rw')).toBe('3  watch reads and writes of 4 bytes at 00000700');
    expect(await say('w 0:601 1 r')).toBe('4  watch reads of 1 byte at 00000601');
    expect(await say('d 3')).toBe('deleted: 3');
    expect(await say('b')).toBe(
      `1  break at 0000${at('again')}\n2  watch writes of 4 bytes at 00000600\n4  watch reads of 1 byte at 00000601`,
    );
    expect(await say('s 100')).toMatch(new RegExp(`^breakpoint 1\n0000${at('again')} `));
    expect(await say('s 100000')).toMatch(/^watchpoint 2: write of 2 bytes at 00000600; now 01 00 00 00\n0000/);
    expect(await say('d')).toBe('deleted: 1 2 4');
    expect(await say('d')).toBe('no breakpoints');
    expect(await say('w 700 1')).toBe('1  watch writes of 1 byte at 00000700');
    expect(await say('g')).toMatch(/^watchpoint 1: write of 1 byte at 00000700; now 34\n0000.*rep stosb/);
  });

  it('c, p and q leave; reset starts anew', async () => {
    expect(await monitor.execute('c')).toEqual({ text: '', leave: 'continue' });
    expect(await monitor.execute('p')).toEqual({ text: '', leave: 'paused' });
    expect(await monitor.execute('q')).toEqual({ text: '', leave: 'quit' });
    await say('s 10');
    expect(await say('reset')).toMatch(/^00007c00 /);
  });

  it('a guest that has stopped can be looked at, and says that it has', async () => {
    guest.stop();
    for (const line of ['s', 's 1000', 'n', 'g']) expect(await say(line)).toMatch(/^guest .* has stopped/);
    expect(await monitor.execute('c')).toMatchObject({ text: expect.stringMatching(/has stopped \(stopped\); reset/) });
    expect(await say('r')).toContain('eip');
    guest.dispose();
    for (const line of ['s', 'r', 'm 0', 'b 5', 'i', 'c'])
      expect(await say(line)).toMatch(/^guest .* is (disposed|no more)$/);
  });
});

describe('U1: the monitor survives every input', () => {
  const words = [
    ...['r', 'x', 'm', 'u', 's', 'n', 'g', 'b', 'w', 'd', 't', 'i', 'reset', 'c', 'p', 'q', 'h', '?', ''],
    ...['x/', 'x/4xw', 'x/3i', 'x/2s', 'x/c', 'x/9999999999999999999xg', 'x/xxx', 'x/-1', '/4x', 'x/NFU'],
    ...['0', '1', '-1', '-5', '64', '99999999', '1e999', 'NaN', '0x', '0x7c00', '7c00', 'ffffffff', '100000000', '1.5'],
    ...[
      'eax',
      '$eip',
      '$eip+10',
      'ss:esp',
      'cs:eip',
      'b800:10',
      'ffff:ffff',
      'gs:-1',
      ':',
      '::',
      '+',
      '-',
      '$',
      'ah',
      'st0',
      'r8',
    ],
    ...[
      'r',
      'w',
      'rw',
      'xyz',
      '__proto__',
      'toString',
      '\0',
      '\u001b[A',
      '💥',
      '\ud800',
      'a'.repeat(5000),
      '%s',
      "'",
      '"',
      '/*',
      '7c0 : 0',
    ],
  ];

  it('10,000 random lines: nothing throws, and every answer is text', async () => {
    const random = new Random(1);
    const never = new AbortController();
    const patience = { signal: never.signal };
    const interrupted = { signal: AbortSignal.abort() };
    const [understood, refused] = [new Set<string>(), new Set<string>()];
    const pick = () => words[random.below(words.length)];
    const noise = () => String.fromCharCode(...Array.from({ length: random.below(12) }, () => random.below(0x250)));
    for (let line = 0; line < 10_000; line++) {
      const parts = Array.from({ length: random.below(5) }, () => (random.oneIn(12) ? noise() : pick()));
      const text = parts.join(random.oneIn(20) ? '\t' : ' ');
      // What would run for long is interrupted at once.
      const long = /^\s*(s\s+\S{4}|g|n|$)/.test(text);
      const answer = await monitor.execute(text, long ? interrupted : patience);
      expect(typeof answer.text).toBe('string');
      expect(answer.text).not.toContain('internal error');
      if (/ is no command| is not | is one word| is missing| is neither| too large| no format/.test(answer.text)) {
        refused.add(answer.text);
        expect(answer.text.length).toBeLessThan(300);
        expect(answer.text).not.toContain('\n');
      } else understood.add(parts[0] ?? '');
      if (guest.breakpoints.list.length > 50) guest.breakpoints.clear();
    }
    // Lines that are all refused, or all taken, would prove nothing.
    expect(understood.size).toBeGreaterThan(20);
    expect(refused.size).toBeGreaterThan(200);
  });
});

describe('the balloon', () => {
  it('is asked for memory; alone, what it has given', async () => {
    expect(await say('balloon')).toBe('guest 1 has no balloon; vetro run --balloon gives it one');
    host?.dispose();
    host = new Host({ platform: createPlatform() });
    guest = await host.createGuest({ boot: { image: bytes }, memory: 4, engine: 'reference', balloon: true });
    monitor = new Monitor(guest);
    const nothing = 'it has said nothing about its memory';
    expect(await say('balloon 3')).toBe(`guest 1 is asked for 3 MiB and has given 0.0; ${nothing}`);
    for (const wrong of ['5', '-1', '1.5', 'x'])
      expect(await say(`balloon ${wrong}`)).toMatch(
        /^setTarget: mebibytes must be a whole number of MiB from 0 to 4, not /,
      );
    const values = { totalMemory: 3.5 * 2 ** 20, freeMemory: 2 ** 19 };
    guest.machine.balloon!.state.statistics = { updates: 1, values };
    expect(await say('balloon')).toBe(
      'guest 1 is asked for 3 MiB and has given 0.0; of 3.5 MiB, it said, 0.5 MiB were free',
    );
  });
});
