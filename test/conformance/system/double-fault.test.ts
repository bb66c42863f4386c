import { describe, expect, it } from 'vitest';
import { faults, setVector } from '../../support/system-faults.ts';
import {
  ENABLE_PAGING,
  identityMap,
  LAYOUT,
  runSystem,
  SELECTOR,
  SYSTEM_ENGINES,
  type SystemMachine,
} from '../../support/system-machine.ts';

const ABSENT_GATE = { access: 0x0e, selector: SELECTOR.CODE };
/** A page that identity mapping leaves out. */
const MISSING = 0x30_0000;

/** Gates of these vectors are not present: what should be delivered through them raises #NP. */
const withoutGates =
  (...vectors: number[]) =>
  (machine: SystemMachine) => {
    identityMap(machine);
    machine.write32(LAYOUT.PAGE_TABLE + (MISSING >> 10), 0);
    for (const vector of vectors) setVector(machine, vector, ABSENT_GATE);
  };

describe.each(SYSTEM_ENGINES)(
  '%s: conditions for a double fault (SDM Vol. 3A, "Interrupt 8—Double Fault Exception (#DF)")',
  (engine) => {
    it('a benign exception, then a contributory one: handled serially', () => {
      expect(faults(runSystem(engine, '@try ud2', { prepare: withoutGates(6) }))).toEqual(['#NP(33)']);
    });

    it('two contributory exceptions: #DF(0)', () => {
      const result = runSystem(engine, 'mov ax, 0xff8\n@try mov fs, ax', { prepare: withoutGates(13) });
      expect(faults(result)).toEqual(['#DF(0)']);
      expect(faults(runSystem(engine, 'xor ecx, ecx\n@try div ecx', { prepare: withoutGates(0) }))).toEqual(['#DF(0)']);
    });

    it('a page fault, then a contributory exception: #DF(0), CR2 from the page fault', () => {
      const result = runSystem(engine, `${ENABLE_PAGING}\n@try mov al, [${MISSING + 5}]`, {
        prepare: withoutGates(14),
      });
      expect(faults(result)).toEqual(['#DF(0)']);
      expect(result.exceptions[0].cr2).toBe(MISSING + 5);
    });

    it('a page fault, then a page fault (the handler of #PF has no stack page): #DF(0) at CPL 0 through a task gate', () => {
      const TSS_SELECTOR = 0x80;
      const source = `${ENABLE_PAGING}\nmov eax, cr3\nmov [0x6000+28], eax\nmov esp, ${MISSING + 0x800}\nmov al, [${MISSING + 5}]\nentry: pop ebx\nmov ecx, cr2`;
      const result = runSystem(engine, source, {
        prepare(machine) {
          withoutGates()(machine);
          machine.write32(LAYOUT.GDT + TSS_SELECTOR, 0x6000_0067, 0x0000_8900);
          setVector(machine, 8, { selector: TSS_SELECTOR, access: 0x85 });
          machine.write32(0x6000 + 28, LAYOUT.PAGE_DIRECTORY, machine.labels.get('entry')!, 2);
          machine.write32(0x6000 + 56, 0xb000);
          machine.write32(0x6000 + 72, SELECTOR.DATA, SELECTOR.CODE, SELECTOR.DATA, SELECTOR.DATA);
        },
      });
      expect(result.ebx).toBe(0);
      expect(result.ecx).toBe(MISSING + 0x7fc);
    });

    it('a contributory exception, then a page fault: handled serially', () => {
      const source = `${ENABLE_PAGING}\nxor ecx, ecx\n@try div ecx`;
      const result = runSystem(engine, source, {
        prepare(machine) {
          withoutGates()(machine);
          // The gate of #DE leads to a code segment of an LDT that lies in the missing page.
          machine.processor.state.segments[6].selector = 0;
          setVector(machine, 0, { access: 0x8e, selector: 0x0c });
          machine.write32(LAYOUT.GDT + 0x90, (MISSING << 16) | 0xf, 0x0000_8200 | (MISSING >>> 16));
        },
      });
      // Without LLDT there is no LDT: a contributory exception in its place.
      expect(faults(result)).toEqual(['#DF(0)']);
      const loaded = runSystem(engine, `mov ax, 0x90\nlldt ax\n${source}`, {
        prepare(machine) {
          withoutGates()(machine);
          setVector(machine, 0, { access: 0x8e, selector: 0x0c });
          machine.write32(LAYOUT.GDT + 0x90, (MISSING << 16) | 0xf, 0x0000_8200 | (MISSING >>> 16));
        },
      });
      expect(faults(loaded)).toEqual(['#PF(0)']);
      expect(loaded.exceptions[0].cr2).toBe(MISSING + 8);
    });

    it('the saved EIP of a double fault is that of the first exception', () => {
      const result = runSystem(engine, 'mov ax, 0xff8\n@try mov fs, ax', { prepare: withoutGates(13) });
      expect(result.exceptions[0].atStart).toBe(true);
    });
  },
);

describe.each(SYSTEM_ENGINES)('%s: triple fault', (engine) => {
  it.each([
    ['no gate for the double fault', 'ud2'],
    ['no IDT', 'lidt [empty]\nint3\nempty: dw 0\ndd 0'],
    ['no stack', 'mov esp, 0x40000000\nmov ax, 0x38\nmov ss, ax\nmov esp, 1\nud2'],
  ])('%s: shutdown', (_, source) => {
    expect(() => runSystem(engine, source, { prepare: withoutGates(6, 8, 11) })).toThrow(/shutdown/);
  });

  it('the processor runs again after RESET', () => {
    const kept: { machine?: SystemMachine } = {};
    expect(() =>
      runSystem(engine, 'ud2', {
        prepare(machine) {
          kept.machine = machine;
          withoutGates(6, 8, 11)(machine);
        },
      }),
    ).toThrow(/shutdown/);
    const { processor, memory } = kept.machine!;
    expect(processor.run(10).reason).toBe('shutdown');
    processor.reset();
    expect([processor.state.segments[1].selector, processor.state.ip]).toEqual([0xf000, 0xfff0]);
    memory.write(LAYOUT.IDT + 6 * 8 + 4, (LAYOUT.HANDLERS & 0xffff_0000) | 0x8e00, 4);
    expect(processor.run(1000).reason).toBe('halted');
  });
});
