/** An x87 error as a PC's software sees it. */
import { describe, expect, it } from 'vitest';
import { ENGINES } from '../../../src/engine/processor.ts';
import { assemble } from '../../../src/isa/assemble.ts';
import { testPc } from '../../support/test-pc.ts';

const BOOT_SECTOR = 0x7c00;

/** Divides 1 by 0 with the exception unmasked. The error shows at the next waiting instruction. */
const DIVIDE = `
  fninit
  fldcw [control]
  fld1
  fldz
  fdivp
  mov al, 'd'
  out 0xe9, al
  fwait
  nop
  mov al, 'w'
  out 0xe9, al`;

const CLEARS = 'out 0xf0, al\nfnclex';

/** The error shows at the store. `value`: what is there before it. */
const STORE = `
  fninit
  fldcw [control]
  fldz
  fld1
  mov dword [0x6010], 0x11223344
  fdiv st0, st1
  there: fstp dword [0x6010]
  mov al, 's'
  out 0xe9, al`;

const program = (cr0: number, { body = DIVIDE, handler = CLEARS, masks = 0xdf_fb, flags = 'sti' } = {}) => `
  bits 16
  org 0x7c00
  mov word [0x75 * 4], irq13
  mov word [0x75 * 4 + 2], 0
  mov word [8 * 4], irq0
  mov word [8 * 4 + 2], 0
  mov word [9 * 4], irq1
  mov word [9 * 4 + 2], 0
  mov word [16 * 4], mf
  mov word [16 * 4 + 2], 0
  mov al, 0x11
  out 0x20, al
  out 0xa0, al
  mov al, 0x08
  out 0x21, al
  mov al, 0x70
  out 0xa1, al
  mov al, 4
  out 0x21, al
  mov al, 2
  out 0xa1, al
  mov al, 1
  out 0x21, al
  out 0xa1, al
  mov al, ${masks & 0xff}
  out 0x21, al
  mov al, ${masks >> 8}
  out 0xa1, al
  mov eax, cr0
  and eax, 0xffffffdf
  or eax, ${cr0}
  mov cr0, eax
  ${flags}
  ${body}
  cli
  hlt
irq13:
  mov al, 'i'
  out 0xe9, al
  ${handler}
  mov al, 0x20
  out 0xa0, al
  out 0x20, al
  iret
irq0:
  mov al, 't'
  out 0xe9, al
  mov al, 0x20
  out 0x20, al
  iret
irq1:
  in al, 0x60
  mov al, 0xfb
  out 0x21, al
  mov al, 0xdf
  out 0xa1, al
  mov al, 'k'
  out 0xe9, al
  mov al, 0x20
  out 0x20, al
  iret
mf:
  fnclex
  mov al, 'm'
  out 0xe9, al
  iret
control: dw 0x037b
`;

interface Options {
  readonly cr0?: number;
  readonly body?: string;
  readonly handler?: string;
  readonly masks?: number;
  readonly flags?: string;
}

function boot(engine: (typeof ENGINES)[number], { cr0 = 0, ...parts }: Options = {}) {
  const { bytes, labels } = assemble(program(cr0, parts));
  const entry = { mode: 'real', ip: BOOT_SECTOR } as const;
  const pc = testPc({ engine, memoryBytes: 2 ** 20, boot: { pieces: [{ address: BOOT_SECTOR, bytes }], entry } });
  const seen = { text: '' };
  pc.debugConsole.onOutput = (output) => {
    seen.text += new TextDecoder().decode(output);
  };
  return { pc, labels, seen, stored: () => pc.memory.read(0x6010, 4) };
}

function run(engine: (typeof ENGINES)[number], options: Options = {}) {
  const machine = boot(engine, options);
  expect(machine.pc.run({ instructions: 10_000 }).reason).toBe('halted');
  machine.pc.dispose();
  return machine.seen.text;
}

describe.each(ENGINES)('%s: an unmasked x87 exception', (engine) => {
  it('with CR0.NE = 0 it is IRQ 13, once, until port F0h is written', () => {
    expect(run(engine)).toBe('diw');
  });

  it('with CR0.NE = 1 it is #MF and no interrupt', () => {
    expect(run(engine, { cr0: 0x20 })).toBe('dmw');
  });
});

/** Counter 0, mode 2, as fast as it goes. */
const TIMER = 'mov al, 0x14\nout 0x43, al\nmov al, 2\nout 0x40, al\n';
const BEFORE = 0x1122_3344;
/** The unmasked division leaves its operand as it was. */
const ONE = 0x3f80_0000;

describe.each(ENGINES)('%s: C5: with CR0.NE = 0 the waiting x87 instruction waits before it starts', (engine) => {
  it('IRQ 13 returns to it; what it stores is not there yet', () => {
    const handler = `pop bx\npush bx\nmov [0x6000], bx\nmov eax, [0x6010]\nmov [0x6004], eax\n${CLEARS}`;
    const { pc, labels, seen, stored } = boot(engine, { body: STORE, handler });
    expect(pc.run({ instructions: 10_000 }).reason).toBe('halted');
    expect(pc.memory.read(0x6000, 2)).toBe(labels.get('there'));
    expect(pc.memory.read(0x6004, 4)).toBe(BEFORE);
    expect([seen.text, stored()]).toEqual(['is', ONE]);
  });

  it.each([
    ['IF = 0', { flags: 'cli' }],
    ['IRQ 13 is masked', { masks: 0xff_fb }],
    ['WAIT, with IF = 0', { flags: 'cli', body: STORE.replace('there:', 'there: fwait\n') }],
    ['FILD, with IF = 0', { flags: 'cli', body: STORE.replace('there:', 'there: fild dword [0x6010]\n') }],
  ])('%s: it waits, and a run returns', (_, options) => {
    const { pc, labels, seen, stored } = boot(engine, { body: STORE, ...options });
    for (let times = 0; times < 3; times++) {
      expect(['halted', 'idle']).toContain(pc.run({ instructions: 10_000 }).reason);
      expect([pc.processor.state.ip, stored(), seen.text]).toEqual([labels.get('there'), BEFORE, '']);
    }
  });

  it.each(['fninit', 'fnclex', 'fnstsw ax', 'fnstcw [0x6000]', 'fnstenv [0x6000]', 'fnsave [0x6000]'])(
    '%s does not wait',
    (instruction) => {
      const body = STORE.replace('there: fstp dword [0x6010]', instruction);
      expect(run(engine, { body, flags: 'cli' })).toBe('s');
    },
  );

  it('other interrupts are served meanwhile, and may let IRQ 13 through', () => {
    const { pc, seen, stored } = boot(engine, { body: STORE, masks: 0xff_f9 });
    expect(pc.run({ instructions: 10_000 }).reason).toBe('idle');
    expect(seen.text).toBe('');
    pc.keyboard.press('KeyA');
    expect(pc.run({ instructions: 10_000 }).reason).toBe('halted');
    expect([seen.text, stored()]).toEqual(['kis', ONE]);
  });

  it('a timer that never stops keeps it waiting, not the host', () => {
    const { pc, seen, stored } = boot(engine, { body: `${TIMER}${STORE}`, masks: 0xff_fa });
    for (let times = 0; times < 5; times++) expect(pc.run({ instructions: 1000 }).executed).toBeLessThanOrEqual(1000);
    expect(seen.text).toMatch(/^t{100,}$/);
    expect(stored()).toBe(BEFORE);
  });

  it('IGNNE#: a write to port F0h lets it pass with the exception pending, until it has been cleared', () => {
    // Two stores pass; the exception is cleared; the next one asks for IRQ 13 again.
    const again = '\nfstp dword [0x6010]\nfnclex\nfldz\nfld1\nfdiv st0, st1\nfstp dword [0x6010]';
    expect(run(engine, { body: `${STORE}${again}\nmov al, 'e'\nout 0xe9, al`, handler: 'out 0xf0, al' })).toBe('isie');
  });

  it('a write to port F0h while nothing is pending lets nothing pass', () => {
    expect(run(engine, { body: STORE.replace('fninit', 'fninit\nout 0xf0, al'), flags: 'cli' })).toBe('');
  });

  it('how a run is cut into slices cannot be seen', () => {
    const whole = boot(engine, { body: STORE });
    whole.pc.run({ instructions: 200 });
    const cut = boot(engine, { body: STORE });
    while (cut.pc.instructions < whole.pc.instructions) cut.pc.run({ instructions: 1 });
    expect(cut.pc.stateHash()).toBe(whole.pc.stateHash());
  });
});
