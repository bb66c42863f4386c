/** The balloon as a guest's program meets it: found on the bus, driven by its ports, interrupting by its line. */
import { describe, expect, it } from 'vitest';
import { configAddress } from '../../../src/bus/pci/pci-bus.ts';
import { assemble } from '../../../src/isa/assemble.ts';
import { Pc } from '../../../src/machine/pc.ts';
import { PCI } from '../../../src/machine/pc-map.ts';
import { bootImage, createBiosMachine } from '../../support/bios-machine.ts';
import { restoreMachine, runUpTo, type SavedMachine, saveMachine } from '../../support/save-restore.ts';
import { sharedCode } from '../../support/shared-code.ts';

const ENGINES = ['interpreter', 'jit', 'reference'] as const;
const MIB = 2 ** 20;
const FUNCTION = 0x8000_1800;
const RESULTS = 0x6000;
/** Descriptors of queue 0; a buffer with one page number; where that page is. */
const QUEUE = 0x1_0000;
const USED = QUEUE + 0x1000;
const NUMBERS = 0x5000;
const PAGE = 0x2_0000;

const config = (register: number) =>
  `mov dx, 0xcf8\nmov eax, ${FUNCTION + register}\nout dx, eax\nmov dx, 0xcfc\nin eax, dx\n`;
const KEEP = 'mov [di], eax\nadd di, 4\n';
const segment = (address: number) => `mov ax, ${address >>> 4}\nmov es, ax\n`;
const out = (port: number, size: 'al' | 'ax' | 'eax', value: number) =>
  `lea dx, [bp + ${port}]\nmov ${size}, ${value}\nout dx, ${size}\n`;

/** Gives a page back and waits for the interrupt, by polling the controller. */
const PROGRAM = `
bits 16
org 0x7c00
mov di, ${RESULTS}
${config(0)}${KEEP}${config(0x3c)}${KEEP}${config(4)}${KEEP}
${config(0x10)}and ax, 0xfffc
mov bp, ax
${segment(PAGE)}mov dword [es:0x123], 0x12345678
${out(0x12, 'al', 3)}${out(0x0e, 'ax', 0)}${out(8, 'eax', QUEUE >>> 12)}${out(0x12, 'al', 7)}
mov dword [${NUMBERS}], ${PAGE >>> 12}
${segment(QUEUE)}mov dword [es:0], ${NUMBERS}
mov dword [es:8], 4
mov word [es:0x804], 0
mov word [es:0x802], 1
${out(0x10, 'ax', 0)}
wait:
mov dx, 0xa0
mov al, 0x0a
out dx, al
in al, dx
test al, 8
jz wait
lea dx, [bp + 0x13]
mov eax, 0
in al, dx
${KEEP}
${segment(USED)}mov eax, [es:0]
${KEEP}
${segment(PAGE)}mov eax, [es:0x123]
${KEEP}
mov eax, [es:0x1123]
${KEEP}
cli
hlt`;

function create(engine: (typeof ENGINES)[number], { balloon = true } = {}) {
  const { bytes } = assemble(PROGRAM);
  const pc = new Pc({
    code: sharedCode(),
    name: 'test',
    memoryBytes: 4 * MIB,
    cpu: 'i686',
    engine,
    boot: { pieces: [{ address: 0x7c00, bytes }], entry: { mode: 'real', ip: 0x7c00 } },
    powerOnTime: 0,
    ...(balloon ? { balloon: {} } : {}),
  });
  const results = (count: number) =>
    Array.from({ length: count }, (_, index) => pc.memory.read(RESULTS + 4 * index, 4));
  return { pc, results };
}

describe.each(ENGINES)('a machine with a balloon on the %s', (engine) => {
  it('a program finds it at 3.0, on IRQ 11, and gives a page back', () => {
    const { pc, results } = create(engine);
    expect(pc.run({ instructions: 1_000_000 }).reason).toBe('halted');
    const [id, line, command, isr, used, page] = results(6);
    expect([id, line & 0xffff, command & 3]).toEqual([0x1002_1af4, 0x010b, 3]);
    expect([isr, used, page]).toEqual([1, 0x1_0000, 0]);
    expect(pc.memory.isDirty(PAGE >>> 12)).toBe(true);
  });

  it('after a reset it is there again, with what the host wants', () => {
    const { pc, results } = create(engine);
    pc.run({ instructions: 1_000_000 });
    pc.balloon!.setTarget(77);
    pc.reset();
    pc.memory.copyIn(RESULTS, new Uint8Array(64));
    expect(pc.run({ instructions: 1_000_000 }).reason).toBe('halted');
    expect(results(6).slice(3)).toEqual([1, 0x1_0000, 0]);
    expect(pc.balloon!.target).toBe(77);
  });
});

it('all engines come to the same state', () => {
  const hashes = ENGINES.map((engine) => {
    const { pc } = create(engine);
    pc.run({ instructions: 300 });
    pc.balloon!.setTarget(5);
    pc.run({ instructions: 1_000_000 });
    return pc.stateHash();
  });
  expect(new Set(hashes).size).toBe(1);
});

it('saved at any count, it goes on elsewhere as here', () => {
  const { pc } = create('interpreter');
  const target = 300;
  const saved: SavedMachine[] = [];
  while (pc.run({ instructions: 11 }).reason === 'budget') {
    if (pc.instructions > target && pc.balloon!.target === 0) pc.balloon!.setTarget(5);
    saved.push(saveMachine(pc));
  }
  expect(saved.length).toBeGreaterThan(15);
  let served = 0;
  for (const each of saved) {
    const { pc: other, results } = create('interpreter');
    restoreMachine(other, each);
    expect(other.stateHash()).toBe(each.hash);
    if (other.instructions <= target) {
      runUpTo(other, target + 1);
      // Where the other one was asked, at the first stop behind the target.
      while (other.instructions % 11 !== 0) other.run({ instructions: 1 });
      other.balloon!.setTarget(5);
    }
    expect(other.run({ instructions: 1_000_000 }).reason).toBe('halted');
    expect(results(6).slice(4)).toEqual([0x1_0000, 0]);
    expect(other.stateHash()).toBe(pc.stateHash());
    served++;
  }
  expect(served).toBe(saved.length);
});

it('a page of the boot image that was given back is there again after a reset', () => {
  const { pc, results } = create('interpreter');
  pc.memory.discard([{ first: 7, pages: 1 }]);
  expect(pc.memory.read(0x7c00, 4)).toBe(0);
  pc.reset();
  expect(pc.run({ instructions: 1_000_000 }).reason).toBe('halted');
  expect(results(1)).toEqual([0x1002_1af4]);
});

it('our BIOS gives it addresses and its interrupt', () => {
  const { pc, run } = createBiosMachine({ floppy: bootImage('cli\nhlt'), balloon: {} });
  expect(run()).toBe('halted');
  const read = (register: number, size: 1 | 2 | 4) => pc.pci.read(configAddress(PCI.BALLOON, register), size);
  expect([read(0x10, 4) & 0xffc0, read(0x20, 4) >>> 28, read(0x3c, 1), read(4, 2) & 3]).toEqual([0xc040, 0xe, 11, 3]);
});

it('without the option there is none, and nothing at its place', () => {
  const { pc, results } = create('interpreter', { balloon: false });
  pc.run({ instructions: 1000 });
  expect([pc.balloon, results(1)]).toEqual([undefined, [0xffff_ffff]]);
});
