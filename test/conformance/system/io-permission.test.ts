import { describe, expect, it } from 'vitest';
import { VECTOR } from '../../../src/cpu/fault.ts';
import { faults } from '../../support/system-faults.ts';
import {
  ENABLE_PAGING,
  identityMap,
  LAYOUT,
  runSystem,
  SELECTOR,
  SYSTEM_ENGINES,
  type SystemMachine,
} from '../../support/system-machine.ts';

const MAP = 0x68;
const GP0 = { vector: VECTOR.GP, errorCode: 0, atStart: true };

/** Gives the TSS a limit, and with it (or without) a bit map. */
function setTss({ memory }: SystemMachine, limit: number, type = 0x89): void {
  const descriptor = LAYOUT.GDT + SELECTOR.TSS;
  memory.write(descriptor, limit & 0xffff, 2);
  memory.write(descriptor + 5, type, 1);
}

/** User code with a bit map for ports 0–FFh, of which `denied` are denied. */
const run = (
  engine: (typeof SYSTEM_ENGINES)[number],
  source: string,
  denied: number[],
  options: { limit?: number } = {},
) =>
  runSystem(engine, source, {
    readPort: (port, size) => (port * 0x0101_0101) % 2 ** (8 * size),
    prepare(machine) {
      setTss(machine, options.limit ?? MAP + 0x20);
      const bits = new Uint8Array(0x21);
      bits[0x20] = 0xff;
      for (const port of denied) bits[port >> 3] |= 1 << (port & 7);
      machine.memory.copyIn(LAYOUT.TSS + MAP, bits);
    },
  });

describe.each(SYSTEM_ENGINES)('%s: the I/O permission bit map', (engine) => {
  it('a clear bit allows the port at CPL 3, a set bit denies it', () => {
    const { exceptions, outputs } = run(
      engine,
      `
      @user out 0x40, al
      @user out 0x41, al
      @user in al, 0x41
      @user mov edx, 0x42 / in al, dx / mov [0x20000], al
    `,
      [0x41],
    );
    expect(exceptions).toMatchObject([GP0, GP0]);
    expect(outputs.map(({ port }) => port)).toEqual([0x40]);
  });

  it('all bits of a wider access must be clear, also across a byte of the map', () => {
    const { exceptions, outputs } = run(
      engine,
      `
      @user out 0x44, eax
      @user out 0x45, eax
      @user out 0x46, ax
      @user out 0x47, ax
      @user out 0x49, eax
    `,
      [0x48],
    );
    expect(exceptions).toMatchObject([GP0, GP0]);
    expect(outputs.map(({ port, size }) => [port, size])).toEqual([
      [0x44, 4],
      [0x46, 2],
      [0x49, 4],
    ]);
  });

  it('CPL ≤ IOPL needs no bit map', () => {
    const { exceptions, outputs } = run(
      engine,
      `mov dword [${LAYOUT.USER_FLAGS}], 0x3002\n@user out 0x41, al\nout 0x41, al`,
      [0x41],
    );
    expect(exceptions).toEqual([]);
    expect(outputs).toHaveLength(2);
  });

  it('ports beyond the map are denied', () => {
    const { exceptions } = run(engine, '@user mov dx, 0xff / in al, dx\n@user mov dx, 0x100 / in al, dx', []);
    expect(exceptions).toMatchObject([{ vector: VECTOR.GP, errorCode: 0 }]);
    expect(exceptions).toHaveLength(1);
  });

  it('the byte after a port is read too: a map that ends there denies it', () => {
    const { exceptions } = run(engine, '@user in al, 0x47\n@user in al, 0x48', [], { limit: MAP + 9 });
    expect(exceptions).toMatchObject([GP0]);
    expect(run(engine, '@user in al, 0x47', [], { limit: MAP + 8 }).exceptions).toMatchObject([GP0]);
  });

  it('a TSS without a map denies all ports', () => {
    const { exceptions } = run(engine, '@user in al, 0x40\n@user out 0x80, al', [], { limit: 0x67 });
    expect(exceptions).toMatchObject([GP0, GP0]);
  });

  it('INS and OUTS are held to it too', () => {
    const result = run(
      engine,
      `
      @user mov edx, 0x41 / mov edi, 0x20000 / mov ecx, 2 / rep insb
      @user mov edx, 0x42 / mov edi, 0x20000 / mov ecx, 2 / rep insb
      @user mov edx, 0x41 / mov esi, 0x20000 / outsb
    `,
      [0x41],
    );
    expect(result.exceptions.map(({ vector }) => vector)).toEqual([VECTOR.GP, VECTOR.GP]);
    expect(result.memory.read(0x20000, 2)).toBe(0x4242);
    expect(result.outputs).toEqual([]);
  });

  describe('C2: INS and OUTS: a denied port comes before the memory operand', () => {
    const ABSENT = 0x30_0000;
    const runPaged = (source: string, denied: number[]) =>
      runSystem(engine, `${ENABLE_PAGING}${source}`, {
        prepare(machine) {
          identityMap(machine);
          machine.write32(LAYOUT.PAGE_TABLE + (ABSENT >> 12) * 4, 0);
          setTss(machine, MAP + 0x20);
          for (const port of denied) machine.memory.write(LAYOUT.TSS + MAP + (port >> 3), 1 << (port & 7), 1);
        },
      });
    const both = (body: (instruction: string) => string) =>
      ['insb', 'insw', 'insd', 'rep insb', 'rep insd', 'outsb', 'outsw', 'outsd', 'rep outsb', 'rep outsd'].map(body);
    const user = (port: number) =>
      both(
        (instruction) =>
          `@user mov edx, ${port} / mov ecx, 2 / mov edi, ${ABSENT} / mov esi, ${ABSENT} / ${instruction}`,
      ).join('\n');

    it('denied: #GP(0), whatever the page is', () => {
      const result = runPaged(user(0x41), [0x41]);
      expect(faults(result)).toEqual(both(() => '#GP(0)'));
      expect(result.exceptions.every(({ cr2 }) => cr2 === 0)).toBe(true);
    });

    it('allowed: #PF, and the port is neither read nor written', () => {
      const result = runPaged(user(0x42), [0x41]);
      expect(faults(result)).toEqual(both((name) => (name.includes('ins') ? '#PF(6)' : '#PF(4)')));
      expect(result.outputs).toEqual([]);
    });

    it('before the segment as well', () => {
      // A stack fault, not #GP(0), tells the two apart.
      const stack = (port: number) => `@user mov edx, ${port} / mov esi, -1 / ss outsd`;
      const limited = (port: number) =>
        runSystem(engine, stack(port), {
          prepare(machine) {
            setTss(machine, MAP + 0x20);
            machine.memory.write(LAYOUT.TSS + MAP + 8, 0x02, 1);
          },
        });
      expect(faults(limited(0x42))).toEqual(['#SS(0)']);
      expect(faults(limited(0x41))).toEqual(['#GP(0)']);
    });
  });

  it('C3: INS writes its destination and does not read it', () => {
    const accesses: string[] = [];
    const source = 'mov edx, 0x40\nmov ecx, 4\nmov edi, 0x90000\nrep insb\ninsd\ninsw';
    runSystem(engine, source, {
      readPort: (port, size) => (port * 0x0101_0101) % 2 ** (8 * size),
      prepare: ({ memory }) =>
        memory.addMmio(0x9_0000, 0x1000, {
          name: 'device',
          readMemory: (offset, size) => accesses.push(`read ${offset} ${size}`),
          writeMemory: (offset, value, size) => void accesses.push(`${offset} ${size} ${value.toString(16)}`),
        }),
    });
    expect(accesses).toEqual(['0 1 40', '1 1 40', '2 1 40', '3 1 40', '4 4 40404040', '8 2 4040']);
  });

  it('CPL 0 uses all ports', () => {
    const { exceptions, outputs } = run(engine, 'mov dx, 0xffff\nout dx, al\nout 0x41, ax', [0x41]);
    expect(exceptions).toEqual([]);
    expect(outputs.map(({ port, size }) => [port, size])).toEqual([
      [0xffff, 1],
      [0x41, 2],
    ]);
  });
});
