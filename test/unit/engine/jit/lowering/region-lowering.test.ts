import { afterEach, describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../../../../../src/base/address.ts';
import { readEflags, writeEflags } from '../../../../../src/cpu/flags.ts';
import { SEGMENT_FIELDS, SEGMENT_STRIDE, STATE } from '../../../../../src/cpu/state-layout.ts';
import { FETCH_TLB } from '../../../../../src/cpu/tlb-layout.ts';
import {
  FIRST_RECORD,
  GO_ON,
  KNOWN_REGION,
  REGION_ENTRY,
  REGION_EXIT,
  TARGET_HASH,
} from '../../../../../src/engine/blocks/region-entry.ts';
import { STATUS } from '../../../../../src/engine/interpreter/cold-lowering.ts';
import { RECORD } from '../../../../../src/engine/interpreter/record-layout.ts';
import { findJumpHash, hashOf } from '../../../../../src/engine/jit/lowering/jump-hash.ts';
import { createBareMachine } from '../../../../conformance/engines/bare-machine.ts';
import { CODE_BASE, type RegionCodeOptions } from '../../../../support/region-code.ts';
import { RegionMachine } from '../../../../support/region-machine.ts';

const [EAX, ECX, EDX, EBX, ESP] = [0, 1, 2, 3, 4];
const MOST = 1_000_000;

const made: RegionMachine[] = [];
function create(source: string, options?: RegionCodeOptions): RegionMachine {
  const machine = new RegionMachine(source, options);
  made.push(machine);
  return machine;
}
afterEach(() => {
  for (const machine of made.splice(0)) machine.dispose();
});
const reg = ({ state }: RegionMachine, number: number) => state.reg32(number);

describe('the budget', () => {
  it('is never exceeded, and used as far as whole turns go', () => {
    const machine = create('start: inc eax\n inc ebx\n add edx, 2\n jmp start');
    for (let budget = 0; budget < 30; budget++) {
      machine.state.setReg32(EAX, 0);
      const { retired, exit } = machine.run(budget);
      expect({ budget, retired, eax: reg(machine, EAX) }).toEqual({
        budget,
        retired: budget - (budget % 4),
        eax: Math.floor(budget / 4),
      });
      expect(exit).toMatchObject({ cause: 'budget', offset: 0, retired: 0 });
    }
  });

  it('must do for the longest way round, and for that alone', () => {
    const machine = create(`start: test eax, 1
      jz skip
      times 10 inc ebx
      skip: inc ecx
      jmp start`);
    expect(machine.run(13).retired).toBe(0);
    // Enough for the longest, of which not all is used.
    expect(machine.run(14).retired).toBe(4);
    machine.state.setReg32(EAX, 1);
    expect(machine.run(14).retired).toBe(14);
    expect(machine.run(27).retired).toBe(14);
  });

  it('is looked at by each loop for itself', () => {
    const machine = create(`start: times 20 inc eax
      inner: inc ebx
      dec ecx
      jnz inner
      jmp start`);
    machine.state.setReg32(ECX, 1000);
    expect(machine.run(19).retired).toBe(0);
    const { retired, exit } = machine.run(20 + 3 * 7 + 2);
    expect([retired, exit?.offset]).toEqual([20 + 3 * 7, machine.code.offset('inner')]);
  });

  it('is looked at where a region is entered', () => {
    const straight = create('start: inc eax\n inc ebx\n jmp ecx');
    expect([0, 1, 2, 3].map((budget) => straight.run(budget).retired)).toEqual([0, 0, 0, 3]);
    const called = create('start: call routine\n back: inc ebx\n jmp ecx\n routine: ret', { cold: ['routine'] });
    expect([0, 1, 2].map((budget) => called.run(budget, 1).retired)).toEqual([0, 0, 2]);
  });

  it('is kept back beyond so many instructions, so that a region leaves from time to time', () => {
    const machine = create('start: inc eax\n inc ebx\n jmp start');
    for (const budget of [5 * MOST, MOST + 1, 0xffff_ffff]) {
      const { retired } = machine.run(budget);
      expect(retired).toBeLessThanOrEqual(MOST);
      expect(retired).toBeGreaterThan(MOST - 3);
    }
    expect(machine.run(MOST - 1).retired).toBe(MOST - 1);
  });
});

describe('leaving', () => {
  it('for code outside says where, and what to link', () => {
    const machine = create(`start: inc eax
      dec ecx
      jnz start
      done:`);
    const { state } = machine;
    state.setReg32(ECX, 5);
    const { goOn, exit, retired } = machine.run(100);
    expect([goOn, retired]).toEqual([GO_ON.AT_NEXT_IP, 15]);
    expect(exit).toMatchObject({ cause: 'branch', offset: machine.code.offset('done'), within: true });
    expect(state.nextIp).toBe(machine.code.address('done'));
    // Where a record's link would be written, the exit's record is.
    expect(state.linkFrom + RECORD.link).toBe(machine.exitAt(exit!) + REGION_EXIT.RECORD);
    const record = machine.recordOf(0);
    state.pool.views.u32[(machine.exitAt(exit!) + REGION_EXIT.RECORD) >>> 2] = record;
    state.setReg32(ECX, 5);
    expect(machine.run(100)).toMatchObject({ goOn: record + GO_ON.ENTERS_BLOCK, retired: 15 });
    expect(state.base).toBe(CODE_BASE);
  });

  it('for code in another page links nothing', () => {
    const machine = create('start: inc eax\n jmp away\n align 4096\n away: nop', { cold: ['away'] });
    const { goOn, retired } = machine.run(100);
    expect([goOn, retired, machine.state.nextIp]).toEqual([GO_ON.AT_NEXT_IP, 2, machine.code.address('away')]);
    expect(machine.state.linkFrom).toBe(0);
    expect(machine.state.base).toBe(CODE_BASE + 0x1000);
  });

  it('for a computed address says which', () => {
    const machine = create('start: inc eax\n jmp ebx');
    machine.state.setReg32(EBX, 0x12_3456);
    machine.state.linkFrom = 4;
    expect(machine.run(100)).toEqual({ goOn: GO_ON.AT_NEXT_IP, exit: undefined, retired: 2 });
    expect([machine.state.nextIp, machine.state.linkFrom, reg(machine, EAX)]).toEqual([0x12_3456, 0, 1]);
  });

  it('in the middle of a block: what stood before has happened, the instruction has not', () => {
    const machine = create('start: inc eax\n mov ebx, [ecx]\n inc edx\n jmp start');
    const { state } = machine;
    state.setReg32(ECX, 0x2000);
    state.setReg32(EBX, 77);
    const left = machine.run(100);
    const load = machine.region.blocks[0].instructions[1].offset;
    expect(left.exit).toMatchObject({ cause: 'memory', offset: load, retired: 1 });
    expect(left.goOn).toBe(machine.recordOf(load));
    expect(left.goOn).toBeGreaterThanOrEqual(FIRST_RECORD);
    expect([left.retired, reg(machine, EAX), reg(machine, EBX), reg(machine, EDX)]).toEqual([1, 1, 77, 0]);
    // Once it is in the TLB, it is read.
    machine.machine.write(0x2000, [5, 0, 0, 0]);
    machine.machine.processor.mmu.read(0x2000, 4, 'current');
    expect(machine.run(8).retired).toBe(8);
    expect([reg(machine, EAX), reg(machine, EBX), reg(machine, EDX)]).toEqual([3, 5, 2]);
  });

  it('before a store to where nothing may be written, even if it is read first', () => {
    const machine = create('start: inc eax\n add dword [ecx], 3\n jmp start');
    machine.state.setReg32(ECX, 0x2000);
    const { mmu } = machine.machine.processor;
    mmu.read(0x2000, 4, 'current');
    expect(machine.run(30)).toMatchObject({ exit: { cause: 'memory' }, retired: 1 });
    mmu.write(0x2000, 1, 4, 'current');
    expect(machine.run(30).retired).toBe(30);
    expect(machine.machine.memory.read(0x2000, 4)).toBe(31);
  });

  it('beyond the limit of a segment with a base; within, the base counts', () => {
    const machine = create('start: mov eax, [fs:ecx]\n jmp start');
    const { state } = machine;
    const { processor, memory } = machine.machine;
    state.segments[4].base = 0x1000;
    memory.write(0x3000, 9, 4);
    processor.mmu.read(0x2000, 4, 'current');
    processor.mmu.read(0x3000, 4, 'current');
    state.setReg32(ECX, 0x2000);
    expect(machine.run(10).retired).toBe(10);
    expect(reg(machine, EAX)).toBe(9);
    state.pool.views.u32[(state.address + STATE.segments + 4 * SEGMENT_STRIDE + SEGMENT_FIELDS.highRead) >>> 2] =
      0x2002;
    expect(machine.run(10)).toMatchObject({ exit: { cause: 'memory' }, retired: 0 });
  });

  it('counts entries, and instructions that have retired', () => {
    const machine = create('start: inc eax\n jmp start');
    for (const budget of [10, 20, 1, 2 * MOST]) machine.run(budget);
    expect(machine.live.figures).toMatchObject({ entered: 4, retired: 30 + MOST, refused: 0 });
  });
});

describe('the stack', () => {
  const fill = ({ machine: { processor } }: RegionMachine, ...pages: number[]) => {
    for (const page of pages) processor.mmu.write(page, 0, 4, 'current');
  };
  const runAt = (machine: RegionMachine, [esp, ecx]: readonly number[]) => {
    machine.state.setReg32(EAX, 0x1234_5678);
    machine.state.setReg32(ESP, esp);
    machine.state.setReg32(ECX, ecx);
    return machine.run(4);
  };

  it('is written in whatever page it is', () => {
    const machine = create('start: push eax\n mov esp, ecx\n push eax\n jmp edx');
    fill(machine, 0x4000, 0x5000);
    for (const places of [
      [0x4100, 0x4200],
      [0x4100, 0x5104],
      [0x5104, 0x4100],
      [0x4001 + 0x100, 0x4ffd],
      [0x4ffc, 0x5004],
    ]) {
      fill(machine, ...places.map((esp) => esp - 4));
      expect(runAt(machine, places)).toMatchObject({ goOn: GO_ON.AT_NEXT_IP, retired: 4 });
      for (const esp of places) expect(machine.machine.memory.read(esp - 4, 4)).toBe(0x1234_5678);
    }
  });

  it('is the interpreter’s where an access goes on in the next page, or the page is not known', () => {
    const machine = create('start: push eax\n mov esp, ecx\n push eax\n jmp edx');
    fill(machine, 0x4000, 0x5000);
    expect(runAt(machine, [0x4100, 0x5002])).toMatchObject({ exit: { cause: 'memory' }, retired: 2 });
    expect(runAt(machine, [0x4100, 0x6100])).toMatchObject({ exit: { cause: 'memory' }, retired: 2 });
    // Not even the page at 0 is known from the start.
    expect(runAt(machine, [0x104, 0x4100])).toMatchObject({ exit: { cause: 'memory' }, retired: 0 });
  });

  it('may be readable only', () => {
    const machine = create('start: pop eax\n mov esp, ecx\n push eax\n jmp edx');
    machine.machine.processor.mmu.read(0x4000, 4, 'current');
    expect(runAt(machine, [0x4100, 0x4100])).toMatchObject({ exit: { cause: 'memory' }, retired: 2 });
  });

  it('may be elsewhere after an instruction of the interpreter’s', () => {
    const machine = create('start: push eax\n pushad\n push ebx\n jmp edx');
    fill(machine, 0x4000);
    expect(runAt(machine, [0x4100, 0])).toMatchObject({ retired: 4 });
    machine.interpret = () => {
      machine.machine.processor.mmu.flush('all');
      return STATUS.NEXT;
    };
    expect(runAt(machine, [0x4100, 0])).toMatchObject({ exit: { cause: 'memory' }, retired: 2 });
  });
});

it('returns go where they were called from', () => {
  const machine = create(`start: call routine
    add ebx, eax
    call routine
    add edx, eax
    dec ecx
    jnz start
    jmp done
    routine: inc eax
    ret
    done:`);
  machine.state.setReg32(ECX, 2);
  machine.machine.processor.mmu.write(0x7ffc, 0, 4, 'current');
  machine.machine.processor.mmu.read(0x7ffc, 4, 'current');
  expect(machine.run(100)).toMatchObject({ exit: { cause: 'branch' }, retired: 21 });
  expect([reg(machine, EAX), reg(machine, EBX), reg(machine, EDX)]).toEqual([4, 1 + 3, 2 + 4]);
});

describe('several entries', () => {
  const SOURCE = `start: inc eax
    call routine
    back: inc ebx
    jmp start
    align 4096
    routine: ret`;

  it('each begins at its own block', () => {
    const machine = create(SOURCE, { cold: ['routine'] });
    machine.run(100, 1);
    expect([reg(machine, EAX), reg(machine, EBX)]).toEqual([1, 1]);
    machine.run(100, 0);
    expect([reg(machine, EAX), reg(machine, EBX)]).toEqual([2, 1]);
  });

  it('in another page than the first, the base is that of the first', () => {
    const machine = create(
      `start: inc eax\n jmp other\n align 4096\n other: inc edx\n call routine\n back: mov ebx, eax\n call $ + 5\n jmp start\n align 4096\n routine: ret`,
      {
        cold: ['routine'],
      },
    );
    const selector = machine.region.entries.findIndex(
      ({ trace }) => machine.region.traces[trace].offset === machine.code.offset('back'),
    );
    expect(selector).toBeGreaterThan(0);
    machine.state.setReg32(ESP, 0x8000);
    machine.machine.processor.mmu.write(0x7ffc, 0, 4, 'current');
    machine.run(2, selector);
    machine.run(100, selector);
    // The return address that was pushed.
    expect(machine.machine.memory.read(0x7ffc, 4)).toBe(machine.code.address('back') + 2 + 5);
  });
});

describe('a region of several pages', () => {
  const SOURCE = 'start: inc eax\n jmp other\n align 4096\n other: dec ecx\n jnz start\n done:';
  const entryOf = (machine: RegionMachine, address: number): number => {
    const index = (address >>> 12) & (FETCH_TLB.ENTRIES - 1);
    return machine.state.tlbFetch + (index << FETCH_TLB.ENTRY_SHIFT);
  };

  it('runs while its pages are where they were', () => {
    const machine = create(SOURCE);
    machine.state.setReg32(ECX, 6);
    expect(machine.run(100)).toMatchObject({ goOn: GO_ON.AT_NEXT_IP, retired: 24 });
    expect(machine.state.base).toBe(CODE_BASE + 0x1000);
  });

  it.each([
    ['the first', 0, FETCH_TLB.PAGE],
    ['the second', 0x1000, FETCH_TLB.PAGE],
    ['the first', 0, FETCH_TLB.PHYSICAL],
    ['the second', 0x1000, FETCH_TLB.PHYSICAL],
  ])('is not entered when %s is not known to be there', (_, offset, field) => {
    const machine = create(SOURCE);
    machine.state.setReg32(ECX, 6);
    machine.state.pool.views.u32[(entryOf(machine, CODE_BASE + offset) + field) >>> 2]++;
    expect(machine.run(100)).toEqual({
      goOn: machine.recordOf(machine.region.traces[0].offset),
      exit: undefined,
      retired: 0,
    });
    expect(reg(machine, EAX)).toBe(0);
    expect(machine.live.figures).toMatchObject({ entered: 0, retired: 0, refused: 1 });
  });

  describe('that were found', () => {
    const moved = () => {
      const machine = create(SOURCE);
      machine.state.setReg32(ECX, 6);
      expect(machine.run(4).retired).toBe(4);
      // No fill does this without telling the jump cache.
      machine.state.pool.views.u32[(entryOf(machine, CODE_BASE + 0x1000) + FETCH_TLB.PHYSICAL) >>> 2]++;
      return machine;
    };
    const refused = ({ live }: RegionMachine) => live.figures.refused;

    it('are not looked for again while nothing has moved', () => {
      const machine = moved();
      expect(machine.run(4).retired).toBe(4);
      expect(refused(machine)).toBe(0);
    });

    it('are when the jump cache has forgotten', () => {
      const machine = moved();
      machine.machine.processor.jumpCache.forget('supervisor');
      expect(machine.run(4).retired).toBe(0);
      expect(refused(machine)).toBe(1);
    });

    it('are when the region is entered at another base', () => {
      const machine = moved();
      const known = machine.state.pool.views.u32[(machine.live.entryAt(0) + REGION_ENTRY.REGION) >>> 2];
      machine.state.pool.views.u32[(known + KNOWN_REGION.BASE) >>> 2] += 0x1000;
      expect(machine.run(4).retired).toBe(0);
      expect(refused(machine)).toBe(1);
    });

    it('are when tags begin anew', () => {
      const machine = moved();
      machine.live.forgetPlace();
      expect(machine.run(4).retired).toBe(0);
      expect(refused(machine)).toBe(1);
    });
  });
});

describe('an instruction of the interpreter’s', () => {
  // PUSHA does not end a block, IN does.
  const WITHIN = 'start: inc eax\n pushad\n inc ebx\n jmp start';
  const AT_END = 'start: inc eax\n in al, dx\n behind: inc ebx\n jmp start';

  it('finds everything in the state block, and may change it', () => {
    const machine = create(WITHIN);
    const { state } = machine;
    const seen: unknown[] = [];
    machine.interpret = (record) => {
      seen.push([record, state.record, state.ahead, state.budget, reg(machine, EAX), reg(machine, EBX)]);
      state.setReg32(EAX, 100);
      return STATUS.NEXT;
    };
    expect(machine.run(9).retired).toBe(8);
    const record = machine.recordOf(1);
    expect(seen).toEqual([
      [record, record, 0, 7, 1, 0],
      [record, record, 0, 3, 101, 1],
    ]);
    expect([reg(machine, EAX), reg(machine, EBX)]).toEqual([100, 2]);
  });

  it.each([WITHIN, AT_END])('that faults has not retired: %j', (source) => {
    const machine = create(source);
    machine.interpret = () => STATUS.FAULT;
    expect(machine.run(50)).toMatchObject({ goOn: GO_ON.FAULT, exit: { cause: 'called' }, retired: 1 });
    expect([machine.state.ip, reg(machine, EAX), reg(machine, EBX)]).toEqual([CODE_BASE + 1, 1, 0]);
  });

  it('for which the dispatcher must look is the last', () => {
    const machine = create(WITHIN);
    machine.interpret = () => {
      machine.state.attention = 1;
      return STATUS.NEXT;
    };
    expect(machine.run(50)).toMatchObject({ goOn: GO_ON.ATTENTION, retired: 2 });
    expect([machine.state.ip, reg(machine, EBX)]).toEqual([CODE_BASE + 2, 0]);
  });

  it.each([WITHIN, AT_END])('that transfers control is the last: %j', (source) => {
    const machine = create(source);
    const { state } = machine;
    machine.interpret = () => {
      state.nextIp = 0x20_0000;
      state.linkFrom = 12;
      return STATUS.LEAVE;
    };
    expect(machine.run(50)).toMatchObject({ goOn: GO_ON.AT_NEXT_IP, retired: 2 });
    expect([state.nextIp, state.linkFrom, reg(machine, EBX)]).toEqual([0x20_0000, 0, 0]);
    machine.interpret = () => {
      state.nextIp = 0x20_0000;
      state.attention = 1;
      return STATUS.LEAVE;
    };
    expect(machine.run(50)).toMatchObject({ goOn: GO_ON.ATTENTION, retired: 2 });
    expect(state.ip).toBe(0x20_0000);
  });

  it('that ends a block goes on behind it, if control and mode are where they should be', () => {
    const machine = create(AT_END);
    const { state } = machine;
    const behind = machine.code.address('behind');
    machine.interpret = () => {
      state.nextIp = behind;
      return STATUS.LEAVE;
    };
    expect(machine.run(40)).toMatchObject({ exit: { cause: 'budget' }, retired: 40 });
    expect(reg(machine, EBX)).toBe(10);
    machine.interpret = () => {
      state.nextIp = behind;
      state.jumpTag++;
      return STATUS.LEAVE;
    };
    expect(machine.run(40)).toMatchObject({ goOn: GO_ON.AT_NEXT_IP, retired: 2 });
    expect([state.nextIp, reg(machine, EBX)]).toEqual([behind, 10]);
  });

  it('may change which tables of the TLB are looked at', () => {
    const machine = create('start: in al, dx\n behind: mov ebx, [ecx]\n jmp start');
    const { state } = machine;
    const { pool } = state;
    state.setReg32(ECX, 0x2000);
    machine.machine.processor.mmu.read(0x2000, 4, 'current');
    machine.interpret = () => {
      state.nextIp = machine.code.address('behind');
      return STATUS.LEAVE;
    };
    expect(machine.run(30).retired).toBe(30);
    const empty = pool.allocate(1 << 16);
    machine.interpret = () => {
      state.nextIp = machine.code.address('behind');
      state.tlbRead = empty;
      return STATUS.LEAVE;
    };
    expect(machine.run(30)).toMatchObject({ exit: { cause: 'memory' }, retired: 1 });
  });

  it('finds the flags of what stood before, and changes those that are read behind it', () => {
    const machine = create('start: cmp eax, ecx\n pushad\n jz other\n inc ebx\n other: xor edx, edx\n jmp start');
    const { state } = machine;
    const seen: boolean[] = [];
    machine.interpret = () => {
      const flags = readEflags(state);
      seen.push((flags & 0x40) !== 0);
      // ZF is the other way round then.
      writeEflags(state, flags ^ 0x40);
      return STATUS.NEXT;
    };
    state.setReg32(ECX, 5);
    writeEflags(state, 0x40);
    machine.run(6);
    expect([seen, reg(machine, EBX)]).toEqual([[false], 0]);
    state.setReg32(EAX, 5);
    writeEflags(state, 0);
    machine.run(6);
    expect([seen, reg(machine, EBX)]).toEqual([[false, true], 1]);
  });

  it('that is repeated uses as much of the budget as it likes', () => {
    const machine = create('start: inc eax\n rep movsb\n behind: inc ebx\n inc edx\n jmp start');
    const { state } = machine;
    const use = (amount: number) => () => {
      state.budget -= amount;
      return STATUS.NEXT;
    };
    machine.interpret = use(6);
    // 2, 6 iterations more, 3; and again 2 and 6, behind which 3 are too many.
    const { retired, exit } = machine.run(11 + 8 + 2);
    expect([retired, exit?.cause, exit?.offset]).toEqual([19, 'budget', machine.code.offset('behind')]);
  });

  it.each([0, 1, 2, 3, 4, 1000])('that is repeated uses some of what is kept back, %i being left', (left) => {
    const machine = create('start: inc eax\n rep movsb\n behind: inc ebx\n inc edx\n jmp start');
    const { state } = machine;
    let turns = 0;
    machine.interpret = () => {
      if (++turns === 1) state.budget = left;
      return STATUS.NEXT;
    };
    // So the region has run for long enough.
    expect(machine.run(2 * MOST)).toMatchObject({ retired: 2 * MOST - left, exit: { cause: 'budget' } });
  });

  it('in another page knows the base of that page', () => {
    const machine = create('start: inc eax\n jmp other\n align 4096\n other: pushad\n jmp start');
    const bases: number[] = [];
    machine.interpret = () => {
      bases.push(machine.state.base);
      return STATUS.NEXT;
    };
    machine.run(8);
    expect(bases).toEqual([CODE_BASE + 0x1000, CODE_BASE + 0x1000]);
  });
});

describe('flags', () => {
  const OPERATIONS = [
    ...['add', 'sub', 'cmp', 'adc', 'sbb', 'xor'].flatMap((name) => [
      `${name} al, dh`,
      `${name} ax, dx`,
      `${name} eax, edx`,
    ]),
    ...['inc al', 'dec ax', 'inc edx', 'neg dh', 'neg eax', 'shl eax, 3', 'sar dl, 1', 'rol ax, 1', 'shl edx, cl'],
    ...['stc', 'cmc', 'bt eax, 3', 'imul eax, edx', 'test al, dl', 'shr dx, cl'],
    // What one sets, another reads.
    ...['add eax, edx\n adc edx, eax\n adc eax, 5', 'cmp eax, edx\n setb al\n sbb edx, edx'],
    ...['cmp al, dh\n cmovl eax, edx\n adc dh, 3', 'test eax, edx\n sets dl\n rcr eax, 1'],
    ...['stc\n inc eax\n sbb edx, eax', 'shl eax, cl\n adc edx, 0', 'sub ax, dx\n lahf\n cmc\n rcl dx, 1'],
    ...['cmp eax, edx\n mov eax, 7\n mov edx, 9\n setle al\n setp dl', 'neg al\n sbb dl, 0\n cmovz eax, edx'],
  ];
  const VALUES = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x1234_5678];

  it.each(OPERATIONS)('of %s are in the state block, as the interpreter leaves them', (operation) => {
    // What comes behind it makes the region leave, and the flags known.
    const source = `start: ${operation}\n jmp ebx`;
    const machine = create(source);
    const count = machine.region.blocks[0].instructions.length;
    const other = createBareMachine('interpreter');
    other.memory.copyIn(CODE_BASE, machine.code.bytes);
    other.enter(CODE_BASE);
    const differing: unknown[] = [];
    for (const left of VALUES) {
      for (const right of VALUES) {
        const outcomes = [machine.state, other.processor.state].map((state) => {
          state.setReg32(EAX, left);
          state.setReg32(EDX, right);
          state.setReg32(ECX, right & 31);
          writeEflags(state, (left ^ right) & 0x8d5);
          if (state === machine.state) machine.run(count);
          else {
            state.ip = CODE_BASE;
            other.processor.run(count);
          }
          return [readEflags(state), state.reg32(EAX), state.reg32(EDX)];
        });
        if (`${outcomes[0]}` !== `${outcomes[1]}`) differing.push([left, right, ...outcomes]);
      }
    }
    other.dispose();
    expect(differing).toEqual([]);
  });
});

describe('computed jumps', () => {
  const WAYS = 40;
  const names = Array.from({ length: WAYS }, (_, way) => `way_${way}`);
  const TABLE = 0x3000;
  const source = (next: string) => `
    times 8 nop
    start: mov edx, [esi]
    add esi, 4
    jump: jmp edx
    ${names.map((name, way) => `${name}: add ebx, ${way + 1}\n inc ecx\n ${next.replaceAll('NUMBER', String(way))}`).join('\n')}
    inside: nop`;
  const LOOP = source('jmp start');
  const THREADED = source('mov edx, [esi]\n add esi, 4\n jump_NUMBER: jmp edx');
  const everywhere = (jumps: readonly string[]) => Object.fromEntries(jumps.map((jump) => [jump, names]));

  /** With labels or addresses that it is to go to, one after the other. */
  function prepared(text: string, jumps: readonly string[], way: readonly (string | number)[]): RegionMachine {
    const machine = create(text, { targets: everywhere(jumps) });
    const { state } = machine;
    const addresses = way.map((one) => (typeof one === 'string' ? machine.code.address(one) : one));
    const bytes = new Uint8Array(Uint32Array.from(addresses).buffer);
    machine.machine.memory.copyIn(TABLE, bytes);
    machine.machine.processor.mmu.read(TABLE, 4, 'current');
    state.setReg32(6, TABLE);
    state.setReg32(EBX, 0);
    state.setReg32(ECX, 0);
    return machine;
  }

  it.each([
    ['a loop', LOOP, ['jump'], 6],
    ['threaded code', THREADED, ['jump', ...names.map((_, way) => `jump_${way}`)], 5],
  ] as const)('of %s reach each of 40 places, and leave to any other, which they remember', (_, text, jumps, turn) => {
    const random = [...names, ...names.map((_name, index) => names[(index * 17) % WAYS])];
    const strange = 0x7777_1234;
    const machine = prepared(text, jumps, [...random, strange]);
    const { state, live } = machine;
    const outcome = machine.run(10_000);
    expect(outcome).toEqual({ goOn: GO_ON.AT_NEXT_IP, exit: undefined, retired: random.length * turn + 3 });
    expect([state.nextIp, reg(machine, ECX)]).toEqual([strange, random.length]);
    expect(reg(machine, EBX)).toBe(WAYS * (WAYS + 1));
    const left = live.takeStrays();
    expect(left).toMatchObject([{ taken: 1, targets: [(strange - machine.code.base) | 0] }]);
    // The jump that it was.
    const jump = machine.region.jumps[left[0].jump];
    const last = text === LOOP ? 'jump' : `jump_${(39 * 17) % WAYS}`;
    expect(jump.offset).toBe(machine.code.offset(last));
  });

  it('leave to the middle of an instruction, or next to it', () => {
    for (const distance of [-1, 1, 2, 0x1000, -0x1000, 0x8000_0000]) {
      const machine = prepared(LOOP, ['jump'], ['way_9', 'way_9']);
      const strange = (machine.code.address('way_7') + distance) >>> 0;
      machine.machine.memory.copyIn(
        TABLE,
        new Uint8Array(Uint32Array.of(machine.code.address('way_9'), strange).buffer),
      );
      expect(machine.run(10_000)).toMatchObject({ goOn: GO_ON.AT_NEXT_IP, retired: 6 + 3 });
      expect(machine.state.nextIp >>> 0).toBe(strange);
    }
  });

  it.each([
    ['a loop', LOOP, ['jump'], 6],
    ['threaded code', THREADED, ['jump', ...names.map((_, way) => `jump_${way}`)], 5],
  ] as const)('of %s keep to the budget, and use it as far as whole turns go', (_, text, jumps, turn) => {
    const way = names.map((_name, index) => names[(index * 7) % WAYS]);
    for (let budget = 0; budget < 60; budget++) {
      const machine = prepared(text, jumps, way);
      const { retired } = machine.run(budget);
      expect(retired).toBeLessThanOrEqual(budget);
      expect(retired).toBeGreaterThan(budget - 3 - turn);
      expect(reg(machine, ECX)).toBe(Math.floor(retired / turn));
      machine.dispose();
      made.pop();
    }
  });

  it('leave to what only has the hash of a place, or is as far into its page', () => {
    const { code } = create(LOOP, { targets: everywhere(['jump']) });
    const offsets = names.map((name) => code.offset(name));
    const hash = findJumpHash(offsets);
    const alike = offsets.map((offset) => {
      const same = (other: number) => hashOf(other, hash) === hashOf(offset, hash);
      return Array.from({ length: 2000 }, (_, page) => offset + PAGE_SIZE * (page + 1)).find(same)!;
    });
    const machine = prepared(LOOP, ['jump'], ['way_9', 'way_9']);
    for (const offset of alike) {
      const way = Uint32Array.of(machine.code.address('way_9'), code.base + offset);
      machine.machine.memory.copyIn(TABLE, new Uint8Array(way.buffer));
      machine.state.setReg32(6, TABLE);
      expect(machine.run(10_000)).toMatchObject({ goOn: GO_ON.AT_NEXT_IP, retired: 6 + 3 });
      expect(machine.state.nextIp).toBe(code.base + offset);
    }
  });

  it('remember the last place for each hash of it', () => {
    const machine = create('start: inc eax\n jmp ebx');
    const distances = [0x5000, 0x5010, 0x5020, 0x5010, -0x40];
    for (const distance of distances) {
      machine.state.setReg32(EBX, CODE_BASE + distance);
      machine.run(10);
    }
    const slot = (distance: number) => Math.imul(distance, TARGET_HASH.FACTOR) >>> (32 - TARGET_HASH.BITS);
    const kept = new Map(distances.map((distance) => [slot(distance), distance]));
    const [{ taken, targets }] = machine.live.takeStrays();
    expect(taken).toBe(5);
    expect(new Set(targets)).toEqual(new Set(kept.values()));
    expect(machine.live.taken).toEqual([0]);
  });

  it('returns remember nothing', () => {
    const machine = create('start: inc eax\n ret\n jump: jmp eax', { targets: { jump: ['start'] } });
    machine.machine.write(0x2000, [0, 0x50, 0x10, 0]);
    machine.machine.processor.mmu.read(0x2000, 4, 'current');
    machine.state.setReg32(ESP, 0x2000);
    expect(machine.run(10)).toMatchObject({ goOn: GO_ON.AT_NEXT_IP, retired: 2 });
    expect([machine.state.nextIp, machine.live.takeStrays()]).toEqual([0x10_5000, []]);
  });
});
