import { describe, expect, it } from 'vitest';
import { createMachine, EA, prepare, readMemory, writeMemory } from '../../support/tiny-machine.ts';

const STACK_TOP = 0x2000n;
const [rAX, rCX, rDX, rBX, rSP, rBP, rSI, rDI] = [0, 1, 2, 3, 4, 5, 6, 7] as const;

describe('MOV and its kin', () => {
  it('a 32-bit write clears the upper half of the 64-bit register, a 16-bit one keeps it', () => {
    const machine = createMachine();
    machine.gpr[0] = 0xffff_ffff_ffff_ffffn;
    machine.gpr[1] = 0x1234n;
    expect(prepare('mov', '89 /r', { size: 16, longMode: true })(machine).gpr[0]).toBe(0xffff_ffff_ffff_1234n);
    expect(prepare('mov', '89 /r', { size: 32, longMode: true })(machine).gpr[0]).toBe(0x1234n);
  });

  it('movzx and movsx extend', () => {
    const machine = createMachine();
    machine.gpr[0] = 0x80n;
    expect(prepare('movzx', '0F B6 /r')(machine).gpr[1]).toBe(0x80n);
    expect(prepare('movsx', '0F BE /r')(machine).gpr[1]).toBe(0xffff_ff80n);
    machine.gpr[0] = 0x8000_0000n;
    expect(prepare('movsxd', '63 /r n64 o64', { size: 64 })(machine).gpr[1]).toBe(0xffff_ffff_8000_0000n);
  });

  it('lea cuts the address to the operand size or zero-extends it', () => {
    const machine = createMachine();
    machine.inputs.ea = 0x1_2345_6789n;
    expect(prepare('lea', '8D /r', { size: 64 })(machine).gpr[1]).toBe(0x1_2345_6789n);
    expect(prepare('lea', '8D /r', { size: 32, longMode: true })(machine).gpr[1]).toBe(0x2345_6789n);
    expect(prepare('lea', '8D /r', { size: 64, addressSize: 32 })(machine).gpr[1]).toBe(0x2345_6789n);
  });

  it('xchg with memory', () => {
    const machine = createMachine();
    machine.gpr[1] = 5n;
    writeMemory(machine, EA, 32, 6n);
    prepare('xchg', '87 /r', { memory: true })(machine);
    expect([machine.gpr[1], readMemory(machine, EA, 32)]).toEqual([6n, 5n]);
  });

  it('xlat reads at rBX + AL', () => {
    const machine = createMachine();
    machine.gpr[rBX] = 0x3000n;
    machine.gpr[rAX] = 0xab12n;
    writeMemory(machine, 0x3012n, 8, 0x77n);
    expect(prepare('xlatb', 'D7')(machine).gpr[rAX]).toBe(0xab77n);
  });

  it('cbw, cwde, cdqe and cwd, cdq, cqo', () => {
    const machine = createMachine();
    machine.gpr[rAX] = 0x80n;
    expect(prepare('cbw', '98', { size: 16 })(machine).gpr[rAX]).toBe(0xff80n);
    expect(prepare('cbw', '98', { size: 32 })(machine).gpr[rAX]).toBe(0xffff_ff80n);
    expect(prepare('cbw', '98', { size: 64 })(machine).gpr[rAX]).toBe(0xffff_ffff_ffff_ff80n);
    expect(prepare('cwd', '99', { size: 16 })(machine).gpr[rDX]).toBe(0xffffn);
    expect(prepare('cwd', '99', { size: 64 })(machine).gpr[rDX]).toBe(0xffff_ffff_ffff_ffffn);
  });

  it('lds loads the segment register before the other', () => {
    const machine = createMachine();
    writeMemory(machine, EA, 32, 0x1111n);
    writeMemory(machine, EA + 4n, 16, 0x23n);
    prepare('lds', 'C5 /r i64', { memory: true })(machine);
    expect(machine.calls).toEqual([{ helper: 'loadSegment', args: [3n, 0x23n] }]);
    expect(machine.gpr[1]).toBe(0x1111n);
  });
});

describe('the stack', () => {
  it('push rSP pushes the old value, pop rSP keeps the popped one', () => {
    const machine = createMachine();
    machine.gpr[rSP] = STACK_TOP;
    machine.inputs.rm = BigInt(rSP);
    prepare('push', '50+r d64')(machine);
    expect([machine.gpr[rSP], readMemory(machine, STACK_TOP - 4n, 32)]).toEqual([STACK_TOP - 4n, STACK_TOP]);
    writeMemory(machine, STACK_TOP - 4n, 32, 0x1234n);
    expect(prepare('pop', '58+r d64')(machine).gpr[rSP]).toBe(0x1234n);
  });

  it('pusha pushes eight registers, with rSP as it was; popa skips it', () => {
    const machine = createMachine();
    machine.gpr.splice(0, 8, 10n, 11n, 12n, 13n, STACK_TOP, 15n, 16n, 17n);
    prepare('pusha', '60 i64')(machine);
    const pushed = [0, 1, 2, 3, 4, 5, 6, 7].map((at) => readMemory(machine, STACK_TOP - 4n - BigInt(4 * at), 32));
    expect(pushed).toEqual([10n, 11n, 12n, 13n, STACK_TOP, 15n, 16n, 17n]);
    machine.gpr.splice(0, 4, 0n, 0n, 0n, 0n);
    machine.gpr.splice(5, 3, 0n, 0n, 0n);
    prepare('popa', '61 i64')(machine);
    expect(machine.gpr.slice(0, 8)).toEqual([10n, 11n, 12n, 13n, STACK_TOP, 15n, 16n, 17n]);
  });

  it('leave: rSP ← rBP, then pop rBP', () => {
    const machine = createMachine();
    machine.gpr[rBP] = STACK_TOP;
    writeMemory(machine, STACK_TOP, 64, 0x55n);
    prepare('leave', 'C9 d64', { size: 64 })(machine);
    expect([machine.gpr[rBP], machine.gpr[rSP]]).toEqual([0x55n, STACK_TOP + 8n]);
  });

  it('pop of a segment register leaves rSP alone until the register is loaded', () => {
    const machine = createMachine();
    machine.gpr[rSP] = STACK_TOP;
    writeMemory(machine, STACK_TOP, 32, 0xabcd_0010n);
    prepare('pop', '1F i64')(machine);
    expect(machine.calls).toEqual([{ helper: 'moveToSegment', args: [3n, 0x10n] }]);
    expect(machine.gpr[rSP]).toBe(STACK_TOP + 4n);
  });
});

describe('control transfer', () => {
  const CONDITIONS: readonly [number, (flags: Record<string, boolean>) => boolean][] = [
    [0x0, ({ OF }) => OF!],
    [0x2, ({ CF }) => CF!],
    [0x4, ({ ZF }) => ZF!],
    [0x6, ({ CF, ZF }) => CF! || ZF!],
    [0x8, ({ SF }) => SF!],
    [0xa, ({ PF }) => PF!],
    [0xc, ({ SF, OF }) => SF !== OF],
    [0xe, ({ SF, OF, ZF }) => SF !== OF || ZF!],
  ];
  it('jcc, setcc and cmovcc under all flags', () => {
    const names = ['CF', 'PF', 'ZF', 'SF', 'OF'];
    const wrong: string[] = [];
    for (const [code, holds] of CONDITIONS) {
      for (const negated of [0, 1]) {
        const condition = code | negated;
        const runs = [
          prepare('jcc', '70+cc cb f64', { condition }),
          prepare('setcc', '0F 90+cc /x', { condition }),
          prepare('cmovcc', '0F 40+cc /r', { condition, longMode: true }),
        ];
        for (let set = 0; set < 32; set++) {
          const flags = Object.fromEntries(names.map((name, at) => [name, ((set >> at) & 1) === 1]));
          const expected = holds(flags) !== (negated === 1);
          const [jcc, setcc, cmovcc] = runs.map((run) => {
            const machine = createMachine();
            for (const name of names) machine.flags[name] = flags[name] ? 1n : 0n;
            machine.gpr[0] = 0xffff_ffff_0000_00ffn;
            machine.gpr[1] = 0xffff_ffff_1111_1111n;
            machine.inputs.immediate = 0xffff_fff0n;
            return run(machine);
          });
          const good =
            jcc!.jump === (expected ? 0xf0n : undefined) &&
            (setcc!.gpr[0] & 0xffn) === (expected ? 1n : 0n) &&
            cmovcc!.gpr[1] === (expected ? 0xffn : 0x1111_1111n);
          if (!good) wrong.push(`${condition.toString(16)} ${JSON.stringify(flags)}`);
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  it('a 16-bit branch cuts the instruction pointer to 16 bits', () => {
    const machine = createMachine();
    machine.inputs.nextIp = 0x1_fff0n;
    machine.inputs.immediate = 0x20n;
    expect(prepare('jmp', 'E9 cz f64', { size: 16 })(machine).jump).toBe(0x10n);
    expect(prepare('jmp', 'E9 cz f64', { size: 32 })(machine).jump).toBe(0x2_0010n);
  });

  it('call pushes the next instruction pointer; ret n pops it and releases n bytes', () => {
    const machine = createMachine();
    machine.gpr[rSP] = STACK_TOP;
    machine.inputs.immediate = 0x10n;
    prepare('call', 'E8 cz f64')(machine);
    expect([machine.jump, machine.gpr[rSP], readMemory(machine, STACK_TOP - 4n, 32)]).toEqual([
      0x110n,
      STACK_TOP - 4n,
      0x100n,
    ]);
    machine.inputs.immediate = 8n;
    prepare('ret', 'C2 iw f64')(machine);
    expect([machine.jump, machine.gpr[rSP]]).toEqual([0x100n, STACK_TOP + 8n]);
  });

  it('call rSP goes where rSP was', () => {
    const machine = createMachine();
    machine.gpr[rSP] = STACK_TOP;
    machine.inputs.rm = BigInt(rSP);
    expect(prepare('call', 'FF /2 f64')(machine).jump).toBe(STACK_TOP);
  });

  it('far jumps take selector and offset to the helper', () => {
    const machine = createMachine();
    machine.inputs.immediate = 0x1234n;
    machine.inputs.immediate2 = 0x08n;
    prepare('jmp', 'EA cp i64')(machine);
    writeMemory(machine, EA, 32, 0x5678n);
    writeMemory(machine, EA + 4n, 16, 0x10n);
    prepare('call', 'FF /3', { memory: true })(machine);
    expect(machine.calls).toEqual([
      { helper: 'farJump', args: [0x08n, 0x1234n, 32n] },
      { helper: 'farCall', args: [0x10n, 0x5678n, 32n] },
    ]);
  });

  it('loop, loope and loopne count down in rCX of the address size', () => {
    const cases = [
      ['loop', 'E2', 0n, 2n, true],
      ['loop', 'E2', 0n, 1n, false],
      ['loope', 'E1', 1n, 2n, true],
      ['loope', 'E1', 0n, 2n, false],
      ['loopne', 'E0', 0n, 2n, true],
      ['loopne', 'E0', 1n, 2n, false],
    ] as const;
    for (const [mnemonic, opcode, ZF, count, taken] of cases) {
      const machine = createMachine();
      machine.flags.ZF = ZF;
      machine.gpr[rCX] = 0x5_0000n | count;
      prepare(mnemonic, `${opcode} cb f64`, { addressSize: 16 })(machine);
      expect([mnemonic, machine.gpr[rCX], machine.jump !== undefined]).toEqual([
        mnemonic,
        0x5_0000n | (count - 1n),
        taken,
      ]);
    }
  });

  it('jcxz looks at CX, jecxz at ECX', () => {
    const machine = createMachine();
    machine.gpr[rCX] = 0x1_0000n;
    expect(prepare('jecxz', 'E3 cb a32 f64')(machine).jump).toBeUndefined();
    expect(prepare('jcxz', 'E3 cb a16 f64', { addressSize: 16 })(machine).jump).toBe(0x100n);
  });

  it('bound raises #BR outside its signed bounds', () => {
    const run = prepare('bound', '62 /r i64', { memory: true });
    const machine = createMachine();
    writeMemory(machine, EA, 32, 0xffff_fffen);
    writeMemory(machine, EA + 4n, 32, 3n);
    for (const [index, inside] of [
      [0xffff_fffen, true],
      [3n, true],
      [4n, false],
      [0xffff_fffdn, false],
    ] as const) {
      machine.gpr[1] = index;
      machine.fault = undefined;
      expect([index, run(machine).fault === undefined]).toEqual([index, inside]);
    }
  });

  it('into traps only if OF is set', () => {
    const run = prepare('into', 'CE i64');
    const machine = createMachine();
    expect(run(machine).calls).toEqual([]);
    machine.flags.OF = 1n;
    expect(run(machine).calls).toEqual([{ helper: 'overflowTrap', args: [] }]);
  });
});

describe('string instructions, one iteration', () => {
  it('movs moves from rSI to rDI and on, up or down', () => {
    const run = prepare('movsw', 'A5', { size: 32 });
    const machine = createMachine();
    [machine.gpr[rSI], machine.gpr[rDI]] = [0x100n, 0x200n];
    writeMemory(machine, 0x100n, 32, 0xcafen);
    run(machine);
    expect([readMemory(machine, 0x200n, 32), machine.gpr[rSI], machine.gpr[rDI]]).toEqual([0xcafen, 0x104n, 0x204n]);
    machine.flags.DF = 1n;
    run(machine);
    expect([machine.gpr[rSI], machine.gpr[rDI]]).toEqual([0x100n, 0x200n]);
  });

  it('index registers of the address size wrap', () => {
    const machine = createMachine();
    machine.gpr[rDI] = 0xabcd_ffffn;
    prepare('stosb', 'AA', { addressSize: 16 })(machine);
    expect(machine.gpr[rDI]).toBe(0xabcd_0000n);
  });

  it('cmps subtracts ES:rDI from DS:rSI, scas memory from the accumulator', () => {
    const machine = createMachine();
    [machine.gpr[rSI], machine.gpr[rDI]] = [0x100n, 0x200n];
    writeMemory(machine, 0x100n, 8, 1n);
    writeMemory(machine, 0x200n, 8, 2n);
    expect(prepare('cmpsb', 'A6')(machine).flags).toMatchObject({ CF: 1n, ZF: 0n });
    machine.gpr[rAX] = 3n;
    machine.gpr[rDI] = 0x200n;
    expect(prepare('scasb', 'AE')(machine).flags).toMatchObject({ CF: 0n, ZF: 0n });
    expect([machine.gpr[rSI], machine.gpr[rDI]]).toEqual([0x101n, 0x201n]);
  });

  it('lods loads the accumulator; lodsd in 64-bit mode clears its upper half', () => {
    const machine = createMachine();
    machine.gpr[rAX] = 0xffff_ffff_ffff_ffffn;
    writeMemory(machine, 0n, 32, 7n);
    expect(prepare('lodsw', 'AD', { longMode: true })(machine).gpr[rAX]).toBe(7n);
  });

  it('ins and outs pass port, value and size to the helpers', () => {
    const machine = createMachine();
    [machine.gpr[rDX], machine.gpr[rSI], machine.gpr[rDI]] = [0x3f8n, 0x100n, 0x200n];
    machine.results.portIn = [0x1234_5678n];
    prepare('insw', '6D', { size: 16 })(machine);
    expect(readMemory(machine, 0x200n, 32)).toBe(0x5678n);
    writeMemory(machine, 0x100n, 8, 0x99n);
    prepare('outsb', '6E')(machine);
    expect(machine.calls).toEqual([
      { helper: 'checkPort', args: [0x3f8n, 16n] },
      { helper: 'checkWrite', args: [0n, 0x200n, 16n] },
      { helper: 'portIn', args: [0x3f8n, 16n] },
      { helper: 'checkPort', args: [0x3f8n, 8n] },
      { helper: 'portOut', args: [0x3f8n, 0x99n, 8n] },
    ]);
    expect([machine.gpr[rSI], machine.gpr[rDI]]).toEqual([0x101n, 0x202n]);
  });
});

describe('flags', () => {
  it('lahf and sahf: SF ZF 0 AF 0 PF 1 CF', () => {
    const machine = createMachine();
    Object.assign(machine.flags, { SF: 1n, ZF: 0n, AF: 1n, PF: 0n, CF: 1n, OF: 1n });
    expect(prepare('lahf', '9F')(machine).gpr[rAX]).toBe(0x9300n);
    machine.gpr[rAX] = 0x4400n;
    prepare('sahf', '9E')(machine);
    expect(machine.flags).toMatchObject({ SF: 0n, ZF: 1n, AF: 0n, PF: 1n, CF: 0n, OF: 1n });
  });

  it('clc, stc, cmc, cld, std', () => {
    const machine = createMachine();
    expect(prepare('stc', 'F9')(machine).flags.CF).toBe(1n);
    expect(prepare('cmc', 'F5')(machine).flags.CF).toBe(0n);
    expect(prepare('std', 'FD')(machine).flags.DF).toBe(1n);
    expect(prepare('cld', 'FC')(machine).flags.DF).toBe(0n);
  });

  it('and, or, xor, test clear CF and OF and leave AF undefined', () => {
    for (const [mnemonic, opcode] of [
      ['and', '21 /r'],
      ['or', '09 /r'],
      ['xor', '31 /r'],
      ['test', '85 /r'],
    ] as const) {
      const machine = createMachine();
      Object.assign(machine.flags, { CF: 1n, OF: 1n });
      [machine.gpr[0], machine.gpr[1]] = [0xf0f0_0000n, 0xff00_00f0n];
      prepare(mnemonic, opcode)(machine);
      expect(machine.flags).toMatchObject({ CF: 0n, OF: 0n });
      expect([...machine.undefinedFlags]).toEqual(['AF']);
    }
  });

  it('salc: AL is FF if CF is set, else 0', () => {
    const machine = createMachine();
    machine.gpr[rAX] = 0x1234n;
    expect(prepare('salc', 'D6 i64')(machine).gpr[rAX]).toBe(0x1200n);
    machine.flags.CF = 1n;
    expect(prepare('salc', 'D6 i64')(machine).gpr[rAX]).toBe(0x12ffn);
  });
});

describe('system instructions', () => {
  it('lgdt takes 24 bits of base with an operand size of 16, 32 with 32, 64 in 64-bit mode', () => {
    const machine = createMachine();
    writeMemory(machine, EA, 16, 0xffn);
    writeMemory(machine, EA + 2n, 64, 0x1122_3344_5566_7788n);
    prepare('lgdt', '0F 01 /2 f64', { size: 16, memory: true })(machine);
    prepare('lgdt', '0F 01 /2 f64', { size: 32, memory: true })(machine);
    prepare('lgdt', '0F 01 /2 f64', { size: 64, memory: true })(machine);
    expect(machine.calls.map(({ args }) => args)).toEqual([
      [0xffn, 0x66_7788n],
      [0xffn, 0x5566_7788n],
      [0xffn, 0x1122_3344_5566_7788n],
    ]);
  });

  it('invlpg hands over the segment register and the offset, and reads no memory', () => {
    const machine = createMachine();
    machine.inputs.segment = 4n;
    prepare('invlpg', '0F 01 /7', { memory: true })(machine);
    expect(machine.calls).toEqual([{ helper: 'invalidatePage', args: [4n, EA] }]);
  });

  it('sgdt stores limit and base', () => {
    const machine = createMachine();
    Object.assign(machine.state, { gdtrLimit: 0xffn, gdtrBase: 0xffff_8000_1122_3344n });
    prepare('sgdt', '0F 01 /0 f64', { size: 64, memory: true })(machine);
    expect([readMemory(machine, EA, 16), readMemory(machine, EA + 2n, 64)]).toEqual([0xffn, 0xffff_8000_1122_3344n]);
  });

  it('smsw gives 16 bits to memory and as much of CR0 as fits to a register', () => {
    const machine = createMachine();
    machine.state.cr0 = 0x8001_0033n;
    writeMemory(machine, EA, 32, 0xffff_ffffn);
    prepare('smsw', '0F 01 /4')(machine);
    prepare('smsw', '0F 01 /4, m16', { memory: true })(machine);
    expect([machine.gpr[0], readMemory(machine, EA, 32)]).toEqual([0x8001_0033n, 0xffff_0033n]);
  });

  it('privileged instructions raise #GP(0) at CPL ≠ 0, before anything else', () => {
    const machine = createMachine();
    machine.state.cpl = 3n;
    expect(prepare('hlt', 'F4')(machine).fault).toMatch(/^13:/);
    expect(machine.calls).toEqual([]);
  });

  it('lar and lsl write only if ZF says that the selector is valid', () => {
    const machine = createMachine();
    machine.gpr[1] = 0xaaaa_aaaan;
    machine.results.loadAccessRights = [0n, 0x00cf_9300n];
    prepare('lar', '0F 02 /r')(machine);
    expect([machine.gpr[1], machine.flags.ZF]).toEqual([0xaaaa_aaaan, 0n]);
    machine.results.loadAccessRights = [1n, 0x00cf_9300n];
    prepare('lar', '0F 02 /r', { size: 16 })(machine);
    expect([machine.gpr[1], machine.flags.ZF]).toEqual([0xaaaa_9300n, 1n]);
  });

  it('arpl raises the RPL of the destination to that of the source', () => {
    const machine = createMachine();
    [machine.gpr[0], machine.gpr[1]] = [0x10n, 0x0bn];
    prepare('arpl', '63 /r i64')(machine);
    expect([machine.gpr[0], machine.flags.ZF]).toEqual([0x13n, 1n]);
    prepare('arpl', '63 /r i64')(machine);
    expect([machine.gpr[0], machine.flags.ZF]).toEqual([0x13n, 0n]);
  });

  it('rdmsr and wrmsr split and join EDX:EAX', () => {
    const machine = createMachine();
    machine.gpr[rCX] = 0x1_0000_001bn;
    machine.results.readMsr = [0x1111_1111_2222_2222n];
    prepare('rdmsr', '0F 32')(machine);
    prepare('wrmsr', '0F 30')(machine);
    expect(machine.calls).toEqual([
      { helper: 'readMsr', args: [0x1bn] },
      { helper: 'writeMsr', args: [0x1bn, 0x1111_1111_2222_2222n] },
    ]);
  });

  it('in and out pass the port zero-extended', () => {
    const machine = createMachine();
    machine.inputs.immediate = 0x80n;
    machine.gpr[rAX] = 0xffff_ff41n;
    machine.results.portIn = [0x42n];
    prepare('out', 'E6 ib')(machine);
    prepare('in', 'E4 ib')(machine);
    expect(machine.calls).toEqual([
      { helper: 'checkPort', args: [0x80n, 8n] },
      { helper: 'portOut', args: [0x80n, 0x41n, 8n] },
      { helper: 'checkPort', args: [0x80n, 8n] },
      { helper: 'portIn', args: [0x80n, 8n] },
    ]);
    expect(machine.gpr[rAX]).toBe(0xffff_ff42n);
  });
});
