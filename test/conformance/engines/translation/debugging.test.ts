/** Single steps, debug registers and breakpoints from outside, set and removed while a loop is hot. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { BreakpointRequest } from '../../../../src/engine/breakpoints.ts';
import { LAYOUT } from '../../../support/system-machine.ts';
import { enterUser, type HotMachine, type HotProgram, leaveUserTo } from './hot-program.ts';
import { type HotOutcome, runHot } from './run-hot.ts';

const DATA = 0x50000;
const COUNT = 0x5fffc;
const NOTES = 0x60000;

/** Notes EIP and DR6 of each debug exception, does `repair` with the frame at ESP + 8, and returns. */
const debugHandler = (repair: string): string => `
  vector_1: push eax
  push edx
  mov edx, [${COUNT}]
  inc dword [${COUNT}]
  and edx, 1023
  mov eax, [esp + 8]
  mov [${NOTES} + edx * 8], eax
  mov eax, dr6
  mov [${NOTES + 4} + edx * 8], eax
  xor eax, eax
  mov dr6, eax
  ${repair}
  pop edx
  pop eax
  iretd`;

const BODY = `add ebx, ebp
  add [${DATA}], ebx
  push ebx
  call routine
  pop edx
  here: xor esi, edx
  test ebp, 1
  jz even
  inc edi
  even: mov eax, [${DATA + 4}]
  after_load: inc ecx`;
const ROUTINE = 'routine: add edx, [esp + 4]\nret';

describe('TF', () => {
  it.each([
    ['for 1 instruction', 1],
    ['for 5 instructions', 5],
    ['for 40, more than a round', 40],
  ])('is set in every 32nd round, %s', (_, steps) => {
    const { read32, edi } = runHot({
      source: `mov ebp, 1000
        again: ${BODY}
        test ebp, 31
        jnz usual
        mov dword [left], ${steps}
        pushfd
        or dword [esp], 0x100
        popfd
        usual: dec ebp
        jnz again`,
      handlers: `${ROUTINE}
        ${debugHandler('dec dword [left]\njnz goes_on\nand dword [esp + 16], ~0x100\ngoes_on:')}
        align 4
        left: dd 0`,
    });
    expect([edi, read32(COUNT)]).toEqual([500, Math.floor(1000 / 32) * steps]);
  });

  it('is set by who interrupts a hot user loop', () => {
    const { edi, read32 } = runHot({
      source: `mov ebp, 1000
        ${enterUser('user', 0x202)}
        user:
        again: ${BODY}
        dec ebp
        jnz again
        int 0x80
        done: cli`,
      events: Array.from({ length: 12 }, (_, index) => ({
        at: 700 + index * 613,
        act: ({ processor }: HotMachine) => processor.intr.set(1),
      })),
      handlers: `${leaveUserTo('done')}
        ${ROUTINE}
        vector_9: or dword [esp + 8], 0x100
        mov dword [left], 9
        iretd
        ${debugHandler('dec dword [left]\njnz goes_on\nand dword [esp + 16], ~0x100\ngoes_on:')}
        align 4
        left: dd 0`,
    });
    expect([edi, read32(COUNT)]).toEqual([500, 12 * 9]);
  });
});

describe('debug registers', () => {
  const setting = (address: string, control: number) =>
    `mov eax, ${address}\nmov dr0, eax\nmov eax, ${control}\nmov dr7, eax`;

  it.each([
    ['the head of the loop', 'again'],
    ['an instruction in the middle', 'here'],
    ['a routine', 'routine'],
    ['one way of two', 'even'],
  ])('an instruction breakpoint at %s, for the rounds 600 to 500', (_, label) => {
    const {
      edi,
      read32,
      label: at,
    } = runHot({
      source: `mov ebp, 1000
        again: ${BODY}
        cmp ebp, 601
        jne not_yet
        ${setting(label, 1)}
        not_yet: cmp ebp, 500
        jne usual
        xor eax, eax
        mov dr7, eax
        usual: dec ebp
        jnz again`,
      handlers: `${ROUTINE}\n${debugHandler('or dword [esp + 16], 0x10000')}`,
    });
    expect(edi).toBe(500);
    expect(read32(COUNT)).toBe(101);
    expect([read32(NOTES), read32(NOTES + 4) & 0xf]).toEqual([at(label), 1]);
  });

  it.each([
    ['written', DATA, 0xd0001, 'a doubleword that the loop adds to'],
    ['read', DATA + 4, 0xf0001, 'a doubleword that the loop loads'],
    ['written, a byte of it', DATA + 1, 0x10001, 'a byte in the middle of it'],
  ])('a data breakpoint: %s', (_, address, control) => {
    const { edi, read32, label } = runHot({
      source: `mov ebp, 1000
        again: ${BODY}
        cmp ebp, 601
        jne not_yet
        ${setting(`${address}`, control)}
        not_yet: cmp ebp, 500
        jne usual
        xor eax, eax
        mov dr7, eax
        usual: dec ebp
        jnz again`,
      handlers: `${ROUTINE}\n${debugHandler('')}`,
    });
    expect([edi, read32(COUNT)]).toEqual([500, 101]);
    // A trap: behind the instruction that did it.
    if (address === DATA + 4) expect(read32(NOTES)).toBe(label('after_load'));
  });

  it('a breakpoint on the stack, met by PUSH, CALL and POP, and by REP MOVS somewhere else', () => {
    const { read32, ebx } = runHot({
      source: `mov ebp, 1000
        again: push ebp
        call routine
        pop edx
        add ebx, edx
        mov esi, ${DATA}
        mov edi, ${DATA + 0x100}
        mov ecx, 8
        sub esp, 64 ; what the exception pushes is not to be on what is watched
        rep movsd
        add esp, 64
        cmp ebp, 601
        jne not_yet
        ${setting(`${LAYOUT.KERNEL_STACK - 8}`, 0xd0001)}
        mov eax, ${DATA + 0x110}
        mov dr1, eax
        mov eax, 0xdd0005
        mov dr7, eax
        not_yet: cmp ebp, 500
        jne usual
        xor eax, eax
        mov dr7, eax
        usual: dec ebp
        jnz again`,
      handlers: `${ROUTINE}\n${debugHandler('')}`,
    });
    expect(ebx).toBe((1000 * 1001) / 2);
    expect(read32(COUNT)).toBe(202);
  });
});

describe('breakpoints from outside', () => {
  const program: HotProgram = {
    source: `mov ebp, 1000\nagain: ${BODY}\ndec ebp\njnz again`,
    handlers: ROUTINE,
  };
  let bare: HotOutcome;
  beforeAll(() => {
    bare = runHot(program);
  });

  it.each<[string, (machine: HotMachine) => BreakpointRequest]>([
    ['the head of the loop', (machine) => ({ address: machine.label('again') })],
    ['an instruction in the middle', (machine) => ({ address: machine.label('here') })],
    ['a routine', (machine) => ({ address: machine.label('routine') })],
    ['one way of two', (machine) => ({ address: machine.label('even') })],
    ['a write', () => ({ address: DATA, kind: 'write', length: 4 })],
    ['a read', () => ({ address: DATA + 4, kind: 'read', length: 4 })],
    ['the stack', () => ({ address: LAYOUT.KERNEL_STACK - 8, kind: 'access', length: 8 })],
  ])('%s: set when hot, removed, and set again', (_, request) => {
    const { log, retired, ebx, edi } = runHot({
      ...program,
      events: [2000, 6001, 9003].flatMap((at) => [
        { at, act: (machine) => void machine.processor.breakpoints.add(request(machine)) },
        { at: at + 700, act: ({ processor }) => processor.breakpoints.clear() },
      ]),
    });
    // The guest can't tell.
    expect({ retired, ebx, edi }).toEqual({ retired: bare.retired, ebx: bare.ebx, edi: bare.edi });
    expect(log.length).toBeGreaterThan(3 * 40);
  });
});
