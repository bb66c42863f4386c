/** Loops that go where a table or a register says, to many places of one region: and then that changes. */
import { describe, expect, it } from 'vitest';
import { LAYOUT } from '../../../support/system-machine.ts';
import { ALIAS, entryOf, HotMachine, interruptEvery } from './hot-program.ts';
import { runHot } from './run-hot.ts';

const COUNT = 0x5fffc;
const WAYS = 40;
const ways = Array.from({ length: WAYS }, (_, way) => way);
const TABLE = `align 4\ntable: ${ways.map((way) => `dd way_${way}`).join('\n')}`;
/** EAX: a number below `WAYS`, from ESI, which is another each time. */
const PICK = `imul esi, esi, 69069
  inc esi
  mov eax, esi
  shr eax, 16
  imul eax, eax, ${WAYS}
  shr eax, 16`;
/** The numbers that it picks, from an ESI of 1 on. */
function picked(rounds: number): number[] {
  let seed = 1;
  return Array.from({ length: rounds }, () => {
    seed = (Math.imul(seed, 69069) + 1) >>> 0;
    return ((seed >>> 16) * WAYS) >>> 16;
  });
}
const wayOf = (way: number, next: string): string => `way_${way}: add ebx, ${way * way + 1}\nxor edx, ebx\n${next}`;
const sumOf = (numbers: readonly number[]): number => numbers.reduce((sum, way) => (sum + way * way + 1) >>> 0, 0);

/** One jump, to which all come back; `change` runs in every round, before it. */
const dispatching = (rounds: number, change = ''): string => `mov ebp, ${rounds}
  mov esi, 1
  again: ${PICK}
  ${change}
  dec ebp
  js near done
  jmp [table + eax * 4]
  ${ways.map((way) => wayOf(way, 'jmp again')).join('\n')}
  ${TABLE}
  done:`;
/** The same, with a jump at the end of each. */
const threaded = (rounds: number): string => {
  const next = `${PICK}\ndec ebp\njs near done\njmp [table + eax * 4]`;
  const places = ways.map((way) => wayOf(way, next)).join('\n');
  return `mov ebp, ${rounds}\nmov esi, 1\n${next}\n${places}\n${TABLE}\ndone:`;
};

describe('a loop over a table of 40 places', () => {
  it('goes to each', () => {
    const { ebx } = runHot({ source: dispatching(4000), needsReference: true });
    expect(ebx).toBe(sumOf(picked(4000)));
  });

  it.each([
    ['one jump to which all come back', dispatching],
    ['a jump behind each', threaded],
    [
      'one that goes to more places later',
      (rounds: number) => dispatching(rounds, `cmp ebp, ${rounds - 5000}\njb all\nand eax, 7\nall:`),
    ],
  ])('is in the end one region: %s', (_, source) => {
    const translation = { firstInstructions: 8, worth: 1000, lookAfter: 500, strays: 20 };
    const configuration = {
      label: 'translated anew',
      settings: { engine: 'jit', translation },
      largestSlice: 0,
    } as const;
    const machine = new HotMachine({ source: source(1_000_000) }, configuration);
    const { processor } = machine;
    processor.startProfile();
    const entered = () => {
      const { regions, others } = processor.profile!.engine!.translation!;
      return [...regions, others].reduce((sum, one) => sum + one.entered, 0);
    };
    const run = (slices: number) => {
      const before = entered();
      for (let slice = 0; slice < slices; slice++) machine.runTo(processor.retired + 600);
      return entered() - before;
    };
    expect(run(10)).toBeGreaterThan(300);
    run(400);
    // One for each slice, and a few where a budget is too small for a turn.
    expect(run(100)).toBeLessThan(400);
    machine.dispose();
  });

  it('is written anew while it runs, one entry each round', () => {
    // Each entry in turn becomes what another one is.
    const { ebx } = runHot({
      source: dispatching(
        4000,
        `mov ecx, [turn]
        mov edx, [table + eax * 4]
        mov [table + ecx * 4], edx
        inc ecx
        cmp ecx, ${WAYS}
        jb kept
        xor ecx, ecx
        kept: mov [turn], ecx`,
      ),
      handlers: 'align 4\nturn: dd 0',
    });
    const table = [...ways];
    const gone = picked(4000).map((way, round) => (table[round % WAYS] = table[way]));
    expect(ebx).toBe(sumOf(gone));
  });

  it('goes to other places from some round on, which were never seen before', () => {
    const { ebx, ecx } = runHot({
      source: `${dispatching(4000, 'cmp ebp, 1500\njne same\nmov dword [table + 4 * 7], other\nsame:')}
        jmp end
        other: inc ecx
        jmp again
        end:`,
    });
    const numbers = picked(4000);
    const others = numbers.filter((way, round) => way === 7 && round >= 2500);
    expect(ecx).toBe(others.length);
    expect(others.length).toBeGreaterThan(20);
    expect(ebx).toBe(sumOf(numbers.filter((way, round) => way !== 7 || round < 2500)));
  });

  it('goes into the middle of instructions, now and then', () => {
    // ADD EBX, imm32 is 81 C3 and four bytes: from its third on they are two times INC ECX and two NOPs.
    const { ebx, ecx } = runHot({
      source: `mov ebp, 4000
        mov esi, 1
        again: ${PICK}
        mov edx, [table + eax * 4]
        mov edi, esi
        shr edi, 9
        and edi, 7
        jnz whole
        add edx, 2
        whole: dec ebp
        js near done
        jmp edx
        ${ways.map((way) => `way_${way}: db 0x81, 0xc3, 0x41, 0x41, 0x90, 0x90\njmp again`).join('\n')}
        ${TABLE}
        done:`,
    });
    expect(ecx).toBeGreaterThan(2 * 200);
    expect(ebx).toBe(Number((BigInt(4000 - ecx / 2) * 0x9090_4141n) % 2n ** 32n));
  });

  it('is left for other pages, of which some are the same under another name', () => {
    const { ebx } = runHot({
      source: `mov ebp, 4000
        mov esi, 1
        again: ${PICK}
        mov edx, [table + eax * 4]
        test esi, 0x1000
        jz here
        xor edx, ${ALIAS}
        here: dec ebp
        js near done
        jmp edx
        ${ways.map((way) => `${way % 10 === 9 ? 'align 4096\n' : ''}${wayOf(way, 'mov ecx, again\njmp ecx')}`).join('\n')}
        ${TABLE}
        done:`,
      paging: true,
    });
    expect(ebx).toBe(sumOf(picked(4000)));
  });

  it('runs under two names in turn', () => {
    const { ebx } = runHot({
      source: dispatching(4000, `mov ecx, here\ntest ebp, 0x40\njz named\nadd ecx, ${ALIAS}\nnamed: jmp ecx\nhere:`),
      paging: true,
    });
    expect(ebx).toBe(sumOf(picked(4000)));
  });

  it('goes to a page that is mapped elsewhere from some round on', () => {
    const [page, otherPage] = [0x70000, 0x71000];
    const place = (address: number, add: number) => (machine: HotMachine) => {
      for (const way of ways)
        machine.place(address + 64 * way, `add ebx, ${add + way}\nmov ecx, ${machine.label('again')}\njmp ecx`);
    };
    const { ebx } = runHot({
      source: `mov ebp, 4000
        mov esi, 1
        again: cmp ebp, 1500
        jne same
        mov dword [${entryOf(page)}], ${otherPage | 7}
        invlpg [${page}]
        same: ${PICK}
        shl eax, 6
        add eax, ${page}
        dec ebp
        js done
        jmp eax
        done:`,
      paging: true,
      prepare: (machine) => {
        place(page, 1)(machine);
        place(otherPage, 1000)(machine);
      },
    });
    expect(ebx).toBe(picked(4000).reduce((sum, way, round) => sum + way + (round < 2500 ? 1 : 1000), 0));
  });

  it('rewrites the places that it goes to', () => {
    // The immediate of ADD EBX, imm32 counts up each time.
    const { ebx } = runHot({
      source: `mov ebp, 2500
        mov esi, 1
        again: ${PICK}
        dec ebp
        js near done
        test ebp, 31
        jnz go
        mov edx, [table + eax * 4]
        inc dword [edx + 2]
        go: jmp [table + eax * 4]
        ${ways.map((way) => `way_${way}: add ebx, ${0x10000 * (way + 1)}\njmp again`).join('\n')}
        ${TABLE}
        done:`,
    });
    const added = ways.map((way) => 0x10000 * (way + 1));
    let sum = 0;
    for (const [round, way] of picked(2500).entries()) {
      if ((2499 - round) % 32 === 0) added[way]++;
      sum = (sum + added[way]) >>> 0;
    }
    expect(ebx).toBe(sum);
  });

  it('rewrites its own jump', () => {
    // JMP [table + EAX * 4] becomes JMP [others + EAX * 4], and back.
    const { ebx, ecx } = runHot({
      source: `${dispatching(3000, 'test ebp, 255\njnz same\nmov edx, table ^ others\nxor [jump + 3], edx\nsame:').replace('jmp [table', 'jump: jmp [table')}
        jmp end
        other: inc ecx
        jmp again
        align 4
        others: times ${WAYS} dd other
        end:`,
    });
    let isOther = false;
    const numbers = picked(3000).filter((_, round) => {
      if ((3000 - round) % 256 === 0) isOther = !isOther;
      return !isOther;
    });
    expect(ebx).toBe(sumOf(numbers));
    expect(ecx).toBe(3000 - numbers.length);
  });

  it.each([
    ['one jump to which all come back', dispatching],
    ['a jump behind each', threaded],
  ])('is interrupted at every boundary: %s', (_, source) => {
    const { ebx, read32 } = runHot({
      source: `mov dword [${COUNT}], 0\nsti\n${source(2500)}\ncli`,
      handlers: `vector_9: inc dword [${COUNT}]\niretd`,
      prepare: (machine) => interruptEvery(machine, 101),
    });
    expect(ebx).toBe(sumOf(picked(2500)));
    expect(read32(COUNT)).toBeGreaterThan(100);
  });

  it('uses the x87, some of the places turning its stack', () => {
    const { ebx, read32 } = runHot({
      source: `fninit
        fldz
        ${dispatching(3000).replaceAll(/way_(\d+): /g, (label, way) => `${label}${Number(way) % 3 === 0 ? 'fld1\nfaddp st1, st0\n' : Number(way) % 3 === 1 ? 'fld1\n' : 'fadd st0, st0\nfstp st0\nfldz\n'}`)}
        fnstsw [${COUNT}]`,
      prepare: (machine) => machine.write32(COUNT, 0),
    });
    expect(ebx).toBe(sumOf(picked(3000)));
    expect(read32(COUNT) & 0x41).toBe(0x41);
  });
});

describe('calls through pointers', () => {
  const calling = (call: string, end: string): string => `mov ebp, 4000
    mov esi, 1
    again: ${PICK}
    ${call}
    add edx, esp
    sub edx, ${LAYOUT.KERNEL_STACK}
    dec ebp
    jnz near again
    jmp done
    ${ways.map((way) => `way_${way}: add ebx, ${way * way + 1}\n${end}`).join('\n')}
    ${TABLE}
    done:`;

  it.each([
    ['in a table', 'call [table + eax * 4]', 'ret'],
    ['in a register', 'mov ecx, [table + eax * 4]\ncall ecx', 'ret'],
    ['with something to drop', 'push 7\ncall [table + eax * 4]', 'ret 4'],
    ['to few places', 'and eax, 3\ncall [table + eax * 4]', 'ret'],
    ['that go on in another', 'call [table + eax * 4]', 'inc edi\ntest edi, 3\njnz way_0\nret'],
  ])('%s', (_, call, end) => {
    const { ebx, edx, edi } = runHot({ source: `xor edi, edi\nxor edx, edx\n${calling(call, end)}` });
    expect(edx).toBe(0);
    const numbers = picked(4000).map((way) => (_ === 'to few places' ? way & 3 : way));
    // Each fourth time that EDI counts, a call is at its end.
    const further = _.startsWith('that go on') ? edi - 4000 : 0;
    expect(ebx).toBe((sumOf(numbers) + further) >>> 0);
  });
});
