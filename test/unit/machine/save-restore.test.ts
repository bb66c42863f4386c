import { afterAll, describe, expect, it } from 'vitest';
import { assembleDemo } from '../../../src/cli/demo.ts';
import { type EngineName, Pc, type PcOptions } from '../../../src/machine/pc.ts';
import { TestMedium } from '../../support/bios-machine.ts';
import { AGREED_PROGRAMS, agreedDisk, agreedFloppy } from '../../support/bios-programs.ts';
import { randomCounts, restoreMachine, runUpTo, saveMachine } from '../../support/save-restore.ts';
import { sharedCode } from '../../support/shared-code.ts';

const MIB = 2 ** 20;
const BOOT_SECTOR = 0x7c00;
const ENGINES: readonly EngineName[] = ['interpreter', 'jit', 'reference', 'auto'];
const demo = assembleDemo();
const machines: Pc[] = [];

afterAll(() => {
  for (const pc of machines) pc.dispose();
});

function createPc(options: Partial<PcOptions> & Pick<PcOptions, 'boot'>): Pc {
  const common = { code: sharedCode(), name: 'test', memoryBytes: MIB, cpu: 'i686', engine: 'auto', powerOnTime: 0 };
  const pc = new Pc({ ...common, ...options } as PcOptions);
  machines.push(pc);
  return pc;
}

function createDemo(engine: EngineName, memoryBytes = MIB): Pc {
  const boot = {
    pieces: [{ address: BOOT_SECTOR, bytes: demo }],
    entry: { mode: 'real', ip: BOOT_SECTOR },
  } as const;
  return createPc({ boot, engine, memoryBytes });
}

/** What a program of the BIOS's tests runs on: a diskette, a disk, our BIOS. */
function createBiosPc(name: string, engine: EngineName): Pc {
  const medium = new TestMedium(agreedFloppy(AGREED_PROGRAMS[name]));
  return createPc({
    boot: { bios: { floppies: [{ medium }] } },
    engine,
    memoryBytes: 4 * MIB,
    floppies: [{ type: '1.44M', medium }],
    disks: [new TestMedium(disk, { readOnly: true })],
  });
}
const disk = agreedDisk();
/** Those in which drives, timers and the keyboard are under way. */
const BIOS_PROGRAMS = ['13h: reading by CHS', '13h: reading a diskette', '16h: storing and reading', '10h: teletype'];

/** Both go on for `more` instructions; how they ended, and their hashes. */
const goOn = (pc: Pc, more: number) => {
  const end = pc.instructions + more;
  return { reason: runUpTo(pc, end), instructions: pc.instructions, time: pc.time, hash: pc.stateHash() };
};

describe('a machine that was saved', () => {
  it.each(ENGINES)('goes on elsewhere as here: the demo, begun on the interpreter and continued on %s', (engine) => {
    const random = randomCounts(1);
    const origin = createDemo('interpreter');
    const more = engine === 'reference' ? 5_000 : 1_000_000;
    for (let round = 0; round < 5; round++) {
      origin.serial.send(new TextEncoder().encode('tasks\rtick'));
      origin.keyboard.press('KeyA');
      runUpTo(origin, origin.instructions + 1 + random(30_000));
      const saved = saveMachine(origin);
      const other = createDemo(engine);
      // Not only into a fresh one.
      if (round % 2 === 1) runUpTo(other, random(50_000));
      restoreMachine(other, saved);
      expect(other.stateHash(), `at ${origin.instructions}`).toBe(saved.hash);
      expect(goOn(other, more)).toEqual(goOn(origin, more));
    }
  });

  it.each(ENGINES)('goes back and forth between %s and the interpreter every few instructions', (engine) => {
    const random = randomCounts(2);
    const whole = createDemo('interpreter');
    let current = createDemo(engine);
    for (let round = 0; round < 24; round++) {
      runUpTo(current, current.instructions + 1 + random(round < 12 ? 20 : 1_000));
      const saved = saveMachine(current);
      current.dispose();
      current = createDemo(round % 2 === 0 ? 'interpreter' : engine);
      current.restore(saved.state, saved.pages);
    }
    runUpTo(whole, current.instructions);
    expect(current.stateHash()).toBe(whole.stateHash());
  });

  it.each(BIOS_PROGRAMS)('in the midst of the BIOS, too: %s', (name) => {
    const random = randomCounts(name.length);
    const whole = createBiosPc(name, 'interpreter');
    runUpTo(whole, 500_000);
    const { instructions } = whole;
    expect(instructions).toBeGreaterThan(1_000);
    const end = whole.stateHash();
    const origin = createBiosPc(name, 'interpreter');
    for (let count = random(2_000); count < instructions; count += 1 + random(Math.ceil(instructions / 3))) {
      runUpTo(origin, count);
      const saved = saveMachine(origin);
      const other = createBiosPc(name, count % 2 === 0 ? 'auto' : 'interpreter');
      restoreMachine(other, saved);
      expect(other.stateHash(), `at ${count}`).toBe(saved.hash);
      runUpTo(other, instructions);
      expect(other.stateHash(), `from ${count} on`).toBe(end);
      other.dispose();
    }
  });

  it('is plain data, that nobody else holds', () => {
    const pc = createDemo('interpreter');
    runUpTo(pc, 20_000);
    const saved = saveMachine(pc);
    runUpTo(pc, 40_000);
    const other = createDemo('interpreter');
    other.restore(saved.state, saved.pages);
    runUpTo(other, 40_000);
    expect(other.stateHash()).toBe(pc.stateHash());
    other.restore(saved.state, saved.pages);
    expect(other.stateHash()).toBe(saved.hash);
  });

  it('can be reset where it was restored: its boot image is loaded anew', () => {
    const [origin, other] = [createDemo('interpreter'), createDemo('interpreter')];
    runUpTo(origin, 20_000);
    const saved = saveMachine(origin);
    other.restore(saved.state, saved.pages);
    for (const pc of [origin, other]) {
      pc.reset();
      runUpTo(pc, 40_000);
    }
    expect(other.stateHash()).toBe(origin.stateHash());
  });
});

describe('a state is refused, and nothing has changed,', () => {
  const origin = createDemo('interpreter');
  runUpTo(origin, 20_000);
  const saved = saveMachine(origin);
  const { state } = saved;
  const device = (name: string, change: object) => ({
    ...state,
    devices: state.devices.map((each) => (each.name === name ? { ...each, ...change } : each)),
  });
  it.each([
    ['of another version', { ...state, version: 77 }, 'version 77: this program knows version 1'],
    [
      'of another size',
      { ...state, configuration: { ...state.configuration, memoryBytes: 5 } },
      'memoryBytes 5, not 1048576',
    ],
    ['of another processor', { ...state, processor: { ...state.processor, model: '486' } }, 'a 486, not a i686'],
    ['of another version of a chip', device('pit', { version: 9 }), 'pit in version 9: this program knows version 1'],
    ['with a chip that is not there', device('pit', { name: 'sid' }), 'a device that this machine has not: sid'],
    ['without a chip', { ...state, devices: state.devices.slice(1) }, 'lacks a device: pic1'],
    ['with one twice', { ...state, devices: [...state.devices, state.devices[0]] }, 'a device twice'],
  ])('%s', (_, wrong, reason) => {
    const other = createDemo('interpreter');
    runUpTo(other, 10_000);
    const before = other.stateHash();
    expect(() => other.restore(wrong, saved.pages)).toThrow(reason);
    expect(other.stateHash()).toBe(before);
  });
});
