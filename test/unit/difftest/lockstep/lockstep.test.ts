/** Faults planted in one of two machines are found at the instruction where they are, and nothing where none is. */
import { describe, expect, it } from 'vitest';
import {
  Lockstep,
  type LockstepDifference,
  type LockstepOptions,
  type LockstepOutcome,
} from '../../../../src/difftest/lockstep/lockstep.ts';
import type { Ending } from '../../../../src/difftest/lockstep/lockstep-machine.ts';
import { PromptTypist } from '../../../../src/difftest/lockstep/prompt-typist.ts';
import { CODE, type Fault, FaultyMachine } from './faulty-machine.ts';

/** Four instructions a turn; each turn stores its number. */
const COUNTER = 'again: inc ax\nmov [0x5000], ax\nmov bx, ax\njmp again';
const INSTRUCTIONS = 40_000;

interface Trial extends Partial<Omit<LockstepOptions, 'create'>> {
  readonly source?: string;
  readonly fault?: Fault;
}

function drain(lockstep: Lockstep): LockstepOutcome {
  const work = lockstep.run();
  let step = work.next();
  while (!step.done) step = work.next();
  return step.value;
}

/** @returns the outcome, once all machines that were made have been disposed */
function run({ source = COUNTER, fault, ...options }: Trial): LockstepOutcome {
  let alive = 0;
  const lockstep = new Lockstep({
    create: (which) => {
      const machine = new FaultyMachine({
        source,
        engine: which === 0 ? 'interpreter' : 'reference',
        fault: which === 1 ? fault : undefined,
      });
      alive++;
      machine.onDispose = () => alive--;
      return machine;
    },
    instructions: INSTRUCTIONS,
    interval: 5000,
    intervalsPerHash: 3,
    ...options,
  });
  const outcome = drain(lockstep);
  expect(alive).toBe(0);
  return outcome;
}

function differenceOf(trial: Trial): LockstepDifference {
  const outcome = run(trial);
  if (outcome.equal) throw new Error(`no difference up to ${outcome.instructions}`);
  return outcome;
}

const flipRegister = (at: number, register: number): Fault => ({
  at,
  plant: ({ processor: { state } }) => state.setReg32(register, state.reg32(register) ^ 0x40),
});
const flipByte = (at: number, address: number): Fault => ({
  at,
  plant: ({ memory, write }) => write(address, [memory.read(address, 1) ^ 1]),
});

describe('a lockstep', () => {
  it('finds no difference where there is none', () => {
    expect(run({})).toEqual({
      equal: true,
      instructions: INSTRUCTIONS,
      stateHash: expect.stringMatching(/^[0-9a-f]{16} $/),
      ending: undefined,
    });
  });

  it.each([1, 2, 4999, 5000, 5001, 12_345, 14_999, 15_000, 39_999, INSTRUCTIONS])(
    'finds a register that changes behind instruction %i',
    (at) => {
      const difference = differenceOf({ fault: flipRegister(at, 6) });
      expect(difference).toMatchObject({ kind: 'instruction', start: at - 1, end: at, pages: [], bytes: [] });
      expect(difference.fields).toEqual([{ name: 'esi', values: ['00000000', '00000040'] }]);
      // Each turn of the loop has 1 + 3 + 2 + 2 bytes.
      const ip = CODE + [0, 1, 4, 6][(at - 1) % 4];
      expect(difference.place).toMatchObject({ selector: 0, ip, linear: ip, width: 16 });
      expect(difference.place!.bytes[0]).toBe([0x40, 0xa3, 0x89, 0xeb][(at - 1) % 4]);
      expect(difference.lastPlace).toEqual(difference.place);
    },
  );

  it.each([1, 7777, 15_000, INSTRUCTIONS])('finds a byte of memory that changes behind instruction %i', (at) => {
    const difference = differenceOf({ fault: flipByte(at, 0x81234) });
    expect(difference).toMatchObject({ kind: 'instruction', start: at - 1, end: at, fields: [] });
    expect(difference.bytes).toEqual([{ physical: 0x81234, values: [0, 1] }]);
    expect(difference.pages).toEqual([0x81]);
  });

  it('finds what changed first: memory, though only a register of much later shows it', () => {
    // Copied into a register once: at the 20,000th turn.
    const source = 'again: inc ax\ncmp ax, 5000\njne again\nmov si, [0x6000]\nhalt: jmp halt';
    const difference = differenceOf({ source, fault: flipByte(3210, 0x6000) });
    expect(difference).toMatchObject({ start: 3209, end: 3210, fields: [], bytes: [{ physical: 0x6000 }] });
  });

  it('names flags, segments and x87 registers', () => {
    const plant: Fault['plant'] = ({ processor: { state, pool } }) => {
      state.flagCarries = (state.flagCarries ^ 0x8000_0000) >>> 0;
      state.segments[4].base = 0x1230;
      pool.views.u8[state.address] ^= 0x80;
    };
    const { fields } = differenceOf({ source: 'again: jmp again', fault: { at: 100, plant } });
    // Bit 31 alone is CF and OF.
    expect(fields.map(({ name }) => name)).toEqual(['eax', 'eflags', 'CF', 'OF', 'fs.base']);
    expect(fields.find(({ name }) => name === 'CF')!.values).toEqual(['0', '1']);
  });

  it('a machine that differs from power-on', () => {
    const create = (which: 0 | 1) => new FaultyMachine({ source: which === 0 ? COUNTER : `${COUNTER}\nnop` });
    const outcome = drain(new Lockstep({ create, instructions: 100, interval: 10, intervalsPerHash: 1 }));
    expect(outcome).toMatchObject({ equal: false, start: 0, end: 0, bytes: [{ values: [0, 0x90] }] });
  });

  it('a fault that shows only in longer runs is bisected by runs in one piece', () => {
    const fault: Fault = { ...flipRegister(22_222, 7), inRunsFrom: 9 };
    const difference = differenceOf({ fault, interval: 20_000 });
    // In pieces of twenty instructions it shows; one by one it does not.
    expect(difference).toMatchObject({ kind: 'piece', start: 22_220, end: 22_229 });
    expect(difference.fields).toEqual([{ name: 'edi', values: ['00000000', '00000040'] }]);
    expect(difference.place!.ip).toBe(CODE);
    expect(difference.lastPlace!.ip).toBe(CODE);
  });

  it('closer looks get to where they begin by the same cuts', () => {
    // 20,000 instructions at once, then 20, then 1: cut there, no run shows it that is to be repeated.
    const fault: Fault = { ...flipRegister(22_222, 7), hiddenByCutAt: 20_021 };
    expect(differenceOf({ fault, interval: 20_000 })).toMatchObject({ kind: 'instruction', end: 22_222 });
  });

  it('a fault that does not come again is reported as seen', () => {
    let met = 0;
    const plant: Fault['plant'] = (machine) => {
      if (met++ === 0) flipRegister(0, 7).plant(machine);
    };
    expect(differenceOf({ fault: { at: 7500, plant } })).toMatchObject({
      kind: 'unrepeatable',
      start: 0,
      end: 10_000,
      place: undefined,
      fields: [{ name: 'edi' }],
    });
  });

  it('a machine that gets no further, when the other does, is a difference', () => {
    const last = 6001;
    class EndingMachine extends FaultyMachine {
      override runTo(instructions: number): Ending | undefined {
        super.runTo(Math.min(instructions, last));
        return instructions > last ? { text: 'triple fault', isBug: false } : undefined;
      }
    }
    const create = (which: 0 | 1) => new (which === 0 ? FaultyMachine : EndingMachine)({ source: COUNTER });
    const outcome = drain(new Lockstep({ create, instructions: 10_000, interval: 1000, intervalsPerHash: 1 }));
    expect(outcome).toMatchObject({ equal: false, kind: 'instruction', start: last, end: last + 1 });
    expect((outcome as LockstepDifference).fields.slice(0, 2)).toEqual([
      { name: 'ending', values: ['runs on', 'triple fault'] },
      { name: 'instructions', values: ['6002', '6001'] },
    ]);
  });

  it('ends when both machines do', () => {
    expect(run({ source: 'mov cx, 3000\nagain: loop again\ncli\nhlt' })).toMatchObject({
      equal: true,
      instructions: 3003,
      ending: { text: 'halted', isBug: false },
    });
  });
});

describe('an operator', () => {
  /** Asks with ">", waits for a byte that is not CR, adds it, and waits for the CR. */
  const ASKER = [
    "ask: mov al, '>'",
    'out 0x80, al',
    'wait: in al, 0x80',
    'test al, al',
    'je wait',
    'cmp al, 13',
    'je wait',
    'mov ah, 0',
    'add si, ax',
    'end: in al, 0x80',
    'cmp al, 13',
    'jne end',
    'jmp ask',
  ].join('\n');

  it('types at each prompt into both machines, and the comparison ends at the last prompt', () => {
    const operator = new PromptTypist({ prompt: '>', lines: ['a', 'b', 'c'] });
    const outcome = run({ source: ASKER, operator, interval: 500 });
    expect(outcome).toMatchObject({ equal: true });
    expect(outcome).toHaveProperty('instructions', 2000);
    expect(operator.left).toBe(0);
  });

  it('what was typed is typed again at the same counts when it looks closer', () => {
    const operator = new PromptTypist({ prompt: '>', lines: ['a', 'b', 'c', 'd', 'e', 'f'] });
    // SI is what has been typed so far: nothing, if it is not typed.
    const plant: Fault['plant'] = (machine) => {
      if (machine.processor.state.reg16(6) === 0x61 + 0x62) flipRegister(0, 7).plant(machine);
    };
    const difference = differenceOf({ source: ASKER, operator, interval: 500, fault: { at: 1234, plant } });
    expect(difference).toMatchObject({ start: 1233, end: 1234, fields: [{ name: 'edi' }] });
  });

  it('waits for a prompt that comes in pieces, and takes one for one line', () => {
    const bytes = (text: string) => new TextEncoder().encode(text);
    const typist = new PromptTypist({ prompt: '~ # ', lines: ['ls', 'exit'] });
    expect(typist.read(bytes('booting ~'))).toBeUndefined();
    expect(typist.read(bytes(' #'))).toBeUndefined();
    expect(typist.read(bytes(' '))).toEqual(bytes('ls\r'));
    expect(typist.left).toBe(1);
    expect(typist.read(bytes('ls\r\nfile\r\n'))).toBeUndefined();
    expect(typist.read(bytes('~ # '))).toEqual(bytes('exit\r'));
    expect(typist.read(bytes('nothing'))).toBeUndefined();
    expect(typist.read(bytes('~ # '))).toBe('done');
  });
});
