/** Small kernels for Multiboot, in assembly language; and what a loader has told them. */
import { assemble } from '../../src/isa/assemble.ts';
import type { Pc } from '../../src/machine/pc.ts';

const MAGIC = 0x1bad_b002;
const ADDRESS_FIELDS = 0x1_0000;
export const KERNEL_AT = 0x10_0000;

export interface KernelOptions {
  readonly flags?: number;
  /** What is added to the checksum that would be right. */
  readonly error?: number;
  /** Default: stores what it was started with at `STARTED_WITH`, and halts. */
  readonly source?: string;
  /** Of the address fields; those that are not given are the right ones. */
  readonly addresses?: Partial<Record<'header' | 'load' | 'loadEnd' | 'bssEnd' | 'entry', string>>;
  /** Bytes before the header. */
  readonly before?: number;
}

/** Where it stores EAX, EBX, CR0, EFLAGS, CS, DS, SS; ESP is 0. */
export const STARTED_WITH = 0x20_0000;
const STORE = `
  mov [0x200000], eax
  mov [0x200004], ebx
  mov eax, cr0
  mov [0x200008], eax
  mov esp, 0x210000
  pushfd
  pop dword [0x20000c]
  mov [0x200010], cs
  mov [0x200014], ds
  mov [0x200018], ss
  cli
  hlt`;

/** Sends its command line, and of each module the string and the content, to COM1; then it halts. */
export const PRINT_ALL = `
  mov esp, 0x210000
  mov dx, 0x3fb
  mov al, 3 ; eight bits
  out dx, al
  mov dx, 0x3f8
  mov esi, [ebx + 16]
  call print
  mov ecx, [ebx + 20]
  mov ebp, [ebx + 24]
each: jecxz over
  mov esi, [ebp + 8]
  call print
  mov esi, [ebp]
content: cmp esi, [ebp + 4]
  jae behind
  lodsb
  out dx, al
  jmp content
behind: add ebp, 16
  dec ecx
  jmp each
over: cli
  hlt
print: lodsb
  test al, al
  jz ended
  out dx, al
  jmp print
ended: mov al, 10
  out dx, al
  ret`;

const headerOf = (flags: number, error: number): string => `
  align 4
  header:
  dd ${MAGIC}
  dd ${flags}
  dd ${(2 ** 33 - MAGIC - flags + error) % 2 ** 32}`;

/** With address fields ("a.out kludge"): no ELF file. */
export function createFlatKernel({
  flags = 0,
  error = 0,
  source = STORE,
  addresses = {},
  before = 0,
}: KernelOptions = {}) {
  const { header = 'header', load = `${KERNEL_AT}`, loadEnd = '0', bssEnd = '0', entry = 'entry' } = addresses;
  return assemble(`bits 32
    org ${KERNEL_AT}
    times ${before} db 0
    ${headerOf(flags | ADDRESS_FIELDS, error)}
    dd ${header}, ${load}, ${loadEnd}, ${bssEnd}, ${entry}
    entry:
    ${source}`).bytes;
}

/** What goes into the segment of an ELF file. The first instruction is the entry: a jump over the header. */
export const elfText = ({ flags = 0, error = 0, source = STORE }: KernelOptions = {}, origin = KERNEL_AT): Uint8Array =>
  assemble(`bits 32
    org ${origin}
    jmp entry
    ${headerOf(flags, error)}
    entry:
    ${source}`).bytes;

export interface Information {
  readonly flags: number;
  readonly lower: number;
  readonly upper: number;
  readonly commandLine: string;
  readonly loader: string;
  readonly modules: readonly { readonly first: number; readonly end: number; readonly commandLine: string }[];
  readonly map: readonly (readonly [first: number, length: number, type: number])[];
  readonly screen: readonly number[];
}

/** The information at `address`, read as a kernel does. */
export function readInformation({ memory }: Pc, address: number): Information {
  const word = (offset: number, base = address): number => memory.read(base + offset, 4);
  const text = (at: number): string => {
    let result = '';
    for (let next = at; memory.read(next, 1) !== 0; next++) result += String.fromCharCode(memory.read(next, 1));
    return result;
  };
  const map: (readonly [number, number, number])[] = [];
  const end = word(48) + word(44);
  for (let at = word(48); at < end; at += word(0, at) + 4)
    map.push([Number(memory.read64(at + 4)), Number(memory.read64(at + 12)), word(20, at)]);
  const modules = Array.from({ length: word(20) }, (_, index) => {
    const at = word(24) + 16 * index;
    return { first: word(0, at), end: word(4, at), commandLine: text(word(8, at)) };
  });
  return {
    flags: word(0),
    lower: word(4),
    upper: word(8),
    commandLine: text(word(16)),
    loader: text(word(64)),
    modules,
    map,
    screen: [
      word(88),
      word(92),
      word(96),
      word(100),
      word(104),
      memory.read(address + 108, 1),
      memory.read(address + 109, 1),
    ],
  };
}
