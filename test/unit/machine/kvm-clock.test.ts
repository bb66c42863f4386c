/** KVM's clock as a guest's program meets it: found by CPUID, asked for by WRMSR, told of in memory. */
import { describe, expect, it } from 'vitest';
import { assemble } from '../../../src/isa/assemble.ts';
import { Pc } from '../../../src/machine/pc.ts';
import { replayTime } from '../../../src/machine/replay-time.ts';
import { restoreMachine, saveMachine } from '../../support/save-restore.ts';
import { sharedCode } from '../../support/shared-code.ts';

const ENGINES = ['interpreter', 'jit', 'reference'] as const;
const MIB = 2 ** 20;
const RESULTS = 0x6000;
const POWER_ON = Date.UTC(2026, 10, 28, 9, 30, 15, 250);
const [WALL_CLOCK, SYSTEM_TIME, STOLEN] = [0x5000, 0x5040, 0x5080];

const KEEP = ['eax', 'ebx', 'ecx', 'edx'].map((register) => `mov [di], ${register}\nadd di, 4\n`).join('');
const cpuid = (leaf: number) => `mov eax, ${leaf}\ncpuid\n${KEEP}`;
const wrmsr = (register: number, value: number) => `mov ecx, ${register}\nmov eax, ${value}\nmov edx, 0\nwrmsr\n`;
const rdmsr = (register: number) => `mov ecx, ${register}\nrdmsr\n${KEEP}`;

const PROGRAM = `
bits 16
org 0x7c00
mov di, ${RESULTS}
${cpuid(1)}${cpuid(0x4000_0000)}${cpuid(0x4000_0001)}${cpuid(0x4000_0002)}
mov dword [0x7a00], 0xdeadbeef
${wrmsr(0x4b56_4d00, WALL_CLOCK)}${wrmsr(0x4b56_4d01, SYSTEM_TIME + 1)}${wrmsr(0x4b56_4d03, STOLEN + 1)}
${rdmsr(0x4b56_4d01)}
again:
rdtsc
mov [0x5100], eax
jmp again`;

function create(engine: (typeof ENGINES)[number] = 'interpreter', program = PROGRAM, paravirtual = true) {
  const { bytes } = assemble(program);
  const pc = new Pc({
    ...{ code: sharedCode(), name: 'test', memoryBytes: MIB, cpu: 'i686', engine, powerOnTime: POWER_ON },
    boot: { pieces: [{ address: 0x7c00, bytes }], entry: { mode: 'real', ip: 0x7c00 } },
    paravirtual,
  });
  const view = (address: number) => {
    const bytes = pc.memory.copyOut(address, 64);
    return new DataView(bytes.buffer);
  };
  const results = (from: number) =>
    Array.from({ length: 4 }, (_, index) => pc.memory.read(RESULTS + 16 * from + 4 * index, 4));
  return { pc, view, results };
}

/** As Linux reads the clock. */
function guestTime(page: DataView, timeStamp: bigint): bigint {
  const [before, at] = [page.getBigUint64(8, true), page.getBigUint64(16, true)];
  const delta = (timeStamp - before) << BigInt(page.getInt8(28));
  return at + ((delta * BigInt(page.getUint32(24, true))) >> 32n);
}

describe.each(ENGINES)('a paravirtual guest on the %s', (engine) => {
  it('finds KVM, is told the wall clock at power-on, and how to get the time from its counter', () => {
    const { pc, view, results } = create(engine);
    pc.run({ instructions: 500 });
    expect(results(0)[2]! >>> 31).toBe(1);
    const [most, ...words] = results(1);
    expect(most).toBe(0x4000_0001);
    expect(new TextDecoder().decode(Uint32Array.from(words))).toBe('KVMKVMKVM\0\0\0');
    expect(results(2)).toEqual([0x0100_0029, 0, 0, 0]);
    expect(results(3)).toEqual([0, 0, 0, 0]);
    expect([results(4)[0], results(4)[3]]).toEqual([SYSTEM_TIME + 1, 0]);
    const wall = view(WALL_CLOCK);
    expect(wall.getUint32(0, true) % 2).toBe(0);
    expect(wall.getUint32(4, true) * 1000 + wall.getUint32(8, true) / 1e6).toBe(POWER_ON);
    const page = view(SYSTEM_TIME);
    expect([page.getUint32(0, true) % 2, page.getUint8(29)]).toEqual([0, 1]);
    pc.run({ instructions: 20_000 });
    pc.correctTime({ time: pc.time + 3_000_000_000, slope: pc.timeSlope });
    pc.run({ instructions: 1 });
    expect(guestTime(view(SYSTEM_TIME), BigInt(pc.time))).toBe(BigInt(pc.time));
  });
});

it('all engines come to the same state', () => {
  const hashes = ENGINES.map((engine) => {
    const { pc } = create(engine);
    pc.run({ instructions: 5000 });
    pc.correctTime({ time: pc.time, slope: pc.timeSlope, stolen: 5 });
    pc.run({ instructions: 5000 });
    return pc.stateHash();
  });
  expect(new Set(hashes).size).toBe(1);
});

it('a guest that moves its counter is told anew how to read it', () => {
  const program = `bits 16\norg 0x7c00\n${wrmsr(0x4b56_4d01, SYSTEM_TIME + 1)}${wrmsr(0x10, 0x1234_5678)}jmp $`;
  const { pc, view } = create('interpreter', program);
  pc.run({ instructions: 7 });
  const before = view(SYSTEM_TIME);
  pc.run({ instructions: 1000 });
  const page = view(SYSTEM_TIME);
  expect(page.getUint32(0, true)).toBe(before.getUint32(0, true) + 2);
  const counter = BigInt(pc.time) + pc.processor.state.tscOffset;
  expect(guestTime(page, BigInt.asUintN(64, counter))).toBe(BigInt(pc.time));
});

it('stolen time is told to who asked, and fed back by a replay', () => {
  const { pc, view } = create();
  expect(pc.tellsStolen).toBe(false);
  const corrections: Parameters<NonNullable<Pc['onTimeCorrection']>>[0][] = [];
  pc.onTimeCorrection = (correction) => corrections.push(correction);
  pc.run({ instructions: 500 });
  expect(pc.tellsStolen).toBe(true);
  pc.correctTime({ time: pc.time, slope: pc.timeSlope, stolen: 7_000_000 });
  pc.run({ instructions: 500 });
  pc.correctTime({ time: pc.time, slope: pc.timeSlope, stolen: 1_500_000 });
  const page = view(STOLEN);
  expect([page.getBigUint64(0, true), page.getUint32(8, true) % 2]).toEqual([8_500_000n, 0]);
  const { pc: again } = create();
  replayTime(again, corrections, pc.instructions);
  expect(again.stateHash()).toBe(pc.stateHash());
});

it('saved and restored, and cloned, it goes on as it was; a reset makes it forget its pages', () => {
  const { pc, view } = create();
  pc.run({ instructions: 500 });
  pc.correctTime({ time: pc.time, slope: pc.timeSlope, stolen: 7_000_000 });
  const saved = saveMachine(pc);
  const { pc: other } = create();
  restoreMachine(other, saved);
  const clone = pc.clone('clone');
  for (const each of [pc, other, clone]) {
    each.correctTime({ time: each.time, slope: each.timeSlope, stolen: 1 });
    each.run({ instructions: 1000 });
  }
  expect([other.stateHash(), clone.stateHash()]).toEqual([pc.stateHash(), pc.stateHash()]);
  expect(view(STOLEN).getBigUint64(0, true)).toBe(7_000_001n);
  pc.reset();
  pc.memory.copyIn(STOLEN, new Uint8Array(64));
  pc.correctTime({ time: pc.time, slope: pc.timeSlope, stolen: 1 });
  expect([pc.tellsStolen, view(STOLEN).getBigUint64(0, true)]).toEqual([false, 0n]);
});

it.each([
  ['an address beyond memory', 0xffff_fff1, 0xffff_ffff],
  ['device registers', 0xb_8001, 0],
  ['the last bytes of RAM', 0xf_fff1, 0],
])('%s as the place of a page harms nobody', (_, low, high) => {
  const write = (register: number, bits: number) =>
    `mov ecx, ${register}\nmov eax, ${(low & ~bits) >>> 0}\nor eax, 1\nmov edx, ${high}\nwrmsr\n`;
  const program = `bits 16\norg 0x7c00\n${write(0x4b56_4d00, 0)}${write(0x4b56_4d01, 0)}${write(0x4b56_4d03, 0x3f)}jmp $`;
  const { pc } = create('interpreter', program);
  expect(pc.run({ instructions: 1000 }).reason).toBe('budget');
  pc.correctTime({ time: pc.time, slope: pc.timeSlope, stolen: 1 });
  expect(pc.run({ instructions: 1000 }).reason).toBe('budget');
  expect(pc.instructions).toBe(2000);
});

it('reserved bits of the register of stolen time are refused, and without the option there is nothing', () => {
  const program = (register: number, value: number) =>
    `bits 16\norg 0x7c00\nmov word [0x34], handler\nmov word [0x36], 0\n${wrmsr(register, value)}mov word [0x6000], 1\njmp $\nhandler:\nmov word [0x6000], 2\njmp $`;
  const outcome = (register: number, value: number, paravirtual: boolean) => {
    const { pc } = create('interpreter', program(register, value), paravirtual);
    pc.run({ instructions: 100 });
    return pc.memory.read(0x6000, 2);
  };
  expect(outcome(0x4b56_4d03, STOLEN + 1, true)).toBe(1);
  expect(outcome(0x4b56_4d03, STOLEN + 3, true)).toBe(2);
  expect(outcome(0x4b56_4d01, SYSTEM_TIME + 1, false)).toBe(2);
  expect(outcome(0x4b56_4d02, 0, true)).toBe(2);
});

it('what was saved without it is restored without it only', () => {
  const { pc } = create('interpreter', PROGRAM, false);
  const { pc: other } = create();
  const { state } = saveMachine(pc);
  const { paravirtual: _, ...earlier } = state.configuration;
  expect(() => restoreMachine(other, saveMachine(pc))).toThrow('paravirtual false, not true');
  expect(() => other.restore({ ...state, configuration: earlier })).toThrow('paravirtual false, not true');
});
