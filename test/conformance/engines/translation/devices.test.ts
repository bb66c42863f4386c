/** Devices in hot loops: each access is made once, at its count, and what it does to the processor or the code is seen at once. */
import { describe, expect, it } from 'vitest';
import { LAYOUT } from '../../../support/system-machine.ts';
import type { HotMachine, HotProgram } from './hot-program.ts';
import { runHot } from './run-hot.ts';

const DEVICE = 0x20_0000;
const ROM = 0x21_0000;
/** Above all RAM: nobody answers. */
const NOTHING = 0x7000_0000;

/** Register 0 reads how often it was read; 4, how many instructions have retired; what is written is noted with that. */
function addDevice(machine: HotMachine, onWrite: (offset: number, value: number) => void = () => {}): void {
  let reads = 0;
  machine.memory.addMmio(DEVICE, 0x1000, {
    name: 'registers',
    readMemory: (offset) => ((offset & ~3) === 0 ? ++reads : machine.processor.retired),
    writeMemory(offset, value, size) {
      machine.log.push(`${machine.processor.retired}: ${value} (${size}) to ${offset}`);
      onWrite(offset, value);
    },
  });
}

const loop = (body: string, more: Partial<HotProgram> = {}): HotProgram => ({
  prepare: (machine) => addDevice(machine),
  source: `mov ebp, 1000
    mov edi, ${DEVICE}
    again:
    ${body}
    dec ebp
    jnz again`,
  ...more,
});

describe('registers in memory', () => {
  it.each([
    ['a load', 'mov eax, [edi]\nadd ebx, eax'],
    ['an operand', 'add ebx, [edi]'],
    ['a compare and a jump', 'cmp dword [edi], 500\nja above\ninc esi\nabove: add ebx, 1'],
    ['PUSH', 'push dword [edi]\npop eax\nadd ebx, eax'],
    ['a condition that is false, which reads all the same', 'xor eax, eax\ncmovnz eax, [edi]\ninc ebx'],
    ['LODSD', 'mov esi, edi\nlodsd\nadd ebx, eax'],
    ['SCASD', 'push edi\nmov eax, 77\nscasd\npop edi\nsetz dl\nmovzx edx, dl\nadd ebx, edx'],
    [
      'REP MOVSB to memory',
      'push edi\nmov esi, edi\nmov edi, 0x50000\nmov ecx, 4\nrep movsb\npop edi\nadd ebx, [0x50000]',
    ],
    ['the x87', 'fild dword [edi]\nfistp dword [0x50000]\nadd ebx, [0x50000]'],
    ['BT', 'bt dword [edi], 3\nadc ebx, 0'],
  ])('are read by %s, as often as is said', (_, body) => {
    const { source } = loop(body);
    const { eax } = runHot(loop(body, { source: `fninit\n${source}\nmov eax, [edi]` }));
    expect(eax).toBe(1 + 1000 * (body.includes('rep movsb') ? 4 : 1));
  });

  it.each([
    ['a store', 'mov [edi + 8], ebp', 1],
    ['a byte store', 'mov byte [edi + 9], 7', 1],
    ['a read-modify-write', 'inc dword [edi + 8]', 1],
    ['XCHG', 'mov eax, ebp\nxchg [edi + 8], eax', 1],
    ['CMPXCHG that fails, which writes all the same', 'mov eax, -1\ncmpxchg [edi + 8], ebp', 1],
    ['REP STOSD', 'mov eax, ebp\nmov ecx, 3\nadd edi, 8\nrep stosd\nsub edi, 20', 3],
    ['POP', 'push ebp\npop dword [edi + 8]', 1],
    ['a push to it', `mov esp, ${DEVICE + 16}\npush ebp\nmov esp, ${LAYOUT.KERNEL_STACK}`, 1],
    ['the x87', 'fld1\nfistp dword [edi + 8]', 1],
  ])('are written by %s, in each round', (_, body, times) => {
    const { log } = runHot(loop(body, { source: `fninit\n${loop(body).source}` }));
    expect(log).toHaveLength(1000 * times);
  });

  it('say how many instructions have retired, in the middle of a region', () => {
    const { ebx, retired } = runHot(
      loop('inc ecx\nmov eax, [edi + 4]\nxor esi, ecx\nmov edx, [edi + 4]\nsub edx, eax\nadd ebx, edx'),
    );
    expect(ebx).toBe(2000);
    expect(retired).toBe(3 + 2 + 8 * 1000 + 2);
  });

  it('raise an interrupt that is taken behind the instruction', () => {
    const { ebx, esi } = runHot(
      loop('inc ecx\nmov [edi + 8], ebp\nbehind: inc esi', {
        source: `sti\n${loop('inc ecx\nmov [edi + 8], ebp\nbehind: inc esi').source}`,
        handlers: `vector_9: cmp dword [esp], behind
          jne elsewhere
          inc ebx
          elsewhere: iretd`,
        prepare: (machine) => addDevice(machine, () => machine.processor.intr.set(1)),
      }),
    );
    expect([ebx, esi]).toEqual([1000, 1000]);
  });
});

describe('a device that writes memory while it is written', () => {
  it.each([
    ['a port', 'out 0x90, al'],
    ['a register in memory', 'mov [edi + 8], ebp'],
  ])('changes the next instruction, by %s', (_, command) => {
    const change = (machine: HotMachine) => {
      const target = machine.label('target');
      machine.write(target, [machine.memory.read(target, 1) ^ 0x43 ^ 0x46]); // INC EBX, INC ESI
    };
    const { ebx, esi } = runHot(
      loop(`${command}\ntarget: inc ebx\ncmp ebp, 300\njbe over\n${command}\nover:`, {
        prepare: (machine) => addDevice(machine, () => change(machine)),
        writePort: change,
      }),
    );
    // Changed to and back again in a round, but in the last 300.
    expect([ebx, esi]).toEqual([150, 850]);
  });
});

describe('memory that is none', () => {
  it.each([
    ['ROM', ROM, 0x1234],
    ['nothing', NOTHING, 0xffff_ffff],
  ])('stores to %s change nothing, and loads find what is there', (_, address, value) => {
    const { ebx, esi } = runHot(
      loop(`mov [${address}], ebp\ninc dword [${address}]\nmov esi, [${address}]\nadd ebx, esi`, {
        prepare: (machine) => machine.memory.addRom(ROM, Uint8Array.of(0x34, 0x12, 0, 0)),
      }),
    );
    expect([ebx, esi]).toEqual([(1000 * value) % 2 ** 32, value]);
  });

  it.each([
    ['ROM', (machine: HotMachine, code: Uint8Array) => machine.memory.addRom(ROM, code)],
    [
      'a device, fetched byte by byte',
      (machine: HotMachine, code: Uint8Array) =>
        machine.memory.addMmio(ROM, 0x1000, {
          name: 'code',
          readMemory: (offset) => code[offset] ?? 0x90,
          writeMemory: (offset, value) => void (code[offset] = value),
        }),
    ],
  ])('a routine in %s, that writes over itself', (name, add) => {
    const { ebx } = runHot(
      loop(`mov eax, ${ROM}\ncall eax`, {
        // MOV BYTE [ROM + 8], 2; ADD EBX, 1; RET
        prepare: (machine) => {
          const at = ROM + 9;
          add(machine, Uint8Array.of(0xc6, 5, at & 0xff, (at >>> 8) & 0xff, at >>> 16, 0, 2, 0x83, 0xc3, 1, 0xc3));
        },
      }),
    );
    expect(ebx).toBe(name === 'ROM' ? 1000 : 2000);
  });
});
