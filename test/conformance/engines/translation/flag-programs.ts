/**
 * Flags that one instruction leaves and another reads: every kind of writer × what lies between (another block, a call,
 * a TLB miss, a page fault, a write to code, a port) × every kind of reader, in a loop over pseudo-random operands.
 */
import { entryOf, type HotProgram } from './hot-program.ts';

/** A page that is taken away and given back; and one that never is. */
const PAGE = 0x90000;
const DATA = 0x91000;

/** Of EAX, EBX, ECX (0 to 31) and [DATA], pseudo-random. EDX is free. */
export const WRITERS = [
  ...['add', 'sub', 'adc', 'sbb', 'and', 'or', 'xor', 'cmp', 'test'].flatMap((name) => [
    `${name} eax, ebx`,
    `${name} ax, bx`,
    `${name} al, bl`,
    `${name} ah, 0x7f`,
  ]),
  ...['add', 'sbb', 'xor', 'cmp'].map((name) => `${name} [${DATA}], ebx`),
  ...['inc', 'dec', 'neg'].flatMap((name) => [`${name} eax`, `${name} al`, `${name} word [${DATA}]`]),
  ...['shl', 'shr', 'sar', 'rol', 'ror', 'rcl', 'rcr'].flatMap((name) => [
    `${name} eax, 1`,
    `${name} eax, 7`,
    `${name} eax, cl`,
    `and cl, 1\n${name} ax, cl`,
    `${name} byte [${DATA}], cl`,
  ]),
  'shld eax, ebx, 5',
  'shrd eax, ebx, cl',
  'and cl, 1\nshld eax, ebx, cl',
  'imul eax, ebx',
  'imul ax, bx, 3',
  'imul bl',
  'mul ebx',
  'mul bl',
  ...['bt', 'bts', 'btr', 'btc'].map((name) => `${name} eax, ecx`),
  `btc dword [${DATA}], 9`,
  'and eax, 0x80\nbsf edx, eax',
  'and eax, 0x80\nbsr edx, eax',
  `mov edx, [${DATA}]\nand eax, 1\njz differs\nmov eax, edx\ndiffers: cmpxchg [${DATA}], ebx`,
  'xadd eax, ebx',
  'clc',
  'stc',
  'add eax, ebx\ncmc',
  'sahf',
  `and eax, 0x8d5\npush eax\npopfd`,
  ...['daa', 'das', 'aaa', 'aas', 'aam', 'aad'],
  'mov [scratch], eax\nmov [scratch + 4], ebx\nfld dword [scratch + 4]\nfld dword [scratch]\nfcomip st0, st1\nfstp st0',
  `mov edi, ${DATA}\nscasb`,
  `mov edi, ${DATA}\nmov ecx, 3\nrepe scasb`,
  // Some of the flags come from the one, some from the other.
  'add eax, ebx\ninc ebx',
  'sub eax, ebx\ndec al',
  'add eax, ebx\nrol eax, cl',
  'xor eax, ebx\nbt eax, 5',
  'cmp eax, ebx\nstc\ninc ecx',
  'sub eax, ebx\nand cl, 1\nshr eax, cl',
];

interface Between {
  /** Before the flags are written. */
  readonly before?: string;
  readonly after: string;
  readonly faults?: number;
}

const ABSENT = `and dword [${entryOf(PAGE)}], ~1\ninvlpg [${PAGE}]`;
const READ_ONLY = `mov edx, [${PAGE}]\nand dword [${entryOf(PAGE)}], ~2\ninvlpg [${PAGE}]\nmov edx, [${PAGE}]`;
/** Writes no flags. @label is another in each place. */
const BETWEEN: readonly Between[] = [
  { after: 'jmp @label\nnop\n@label:' },
  { after: 'call nothing' },
  { after: 'mov edx, @label\njmp edx\nnop\n@label:' },
  { after: `push eax\nmov edx, esp\nxchg eax, [esp]\nnot eax\nnot eax\npop eax` },
  { before: `invlpg [${PAGE}]`, after: `mov edx, [${PAGE}]` },
  { before: `invlpg [${PAGE}]`, after: `mov [${PAGE}], edx` },
  { before: ABSENT, after: `mov edx, [${PAGE}]`, faults: 1 },
  { before: ABSENT, after: `mov [${PAGE + 8}], edx`, faults: 1 },
  { before: READ_ONLY, after: `mov [${PAGE}], edx`, faults: 1 },
  { before: ABSENT, after: `not byte [${PAGE + 1}]`, faults: 1 },
  { before: ABSENT, after: `push edx\npop dword [${PAGE}]`, faults: 1 },
  { after: 'mov byte [written_code], 0x90\ncall written_code' },
  { after: 'mov byte [@label], 0x90\n@label: nop' },
  { after: 'out 0x80, al' },
  { after: 'mov edx, ss\nmov ss, dx\nmov ds, dx' },
  { after: 'mov edx, cr3\nmov cr3, edx' },
  { after: 'int 0x83' },
  { after: `mov edx, esi\nmov esi, ${DATA}\nmov edi, ${DATA + 64}\nmov ecx, 5\nrep movsb\nmov esi, edx` },
];

const CONDITIONS = ['o', 'no', 'c', 'nc', 'z', 'nz', 'be', 'a', 's', 'ns', 'p', 'np', 'l', 'ge', 'le', 'g'];
/** Each makes what it finds part of ESI; these write no flags. */
const QUIET_READERS = [
  ...CONDITIONS.map((name) => `j${name} @label\nlea esi, [esi + 0x1357]\n@label: lea esi, [esi + esi * 2 + 5]`),
  ...CONDITIONS.map((name) => `set${name} dl\nmovzx edx, dl\nlea esi, [esi + edx * 8 + 1]`),
  ...CONDITIONS.map((name) => `mov edx, 3\ncmov${name} edx, ebx\nlea esi, [esi * 2 + edx]`),
  'pushfd\npop edx\nlea esi, [esi + esi * 4]\nlea esi, [esi + edx]',
  'mov edx, eax\nlahf\nlea esi, [esi + eax * 2]\nmov eax, edx',
  ...['e', 'ne'].map(
    (name) =>
      `mov edx, ecx\nmov ecx, 2\nloop${name} @label\nlea esi, [esi + 77]\n@label: mov ecx, edx\nlea esi, [esi * 2 + 1]`,
  ),
  'into\nlea esi, [esi + esi * 2]',
  ...['b', 'e', 'be', 'u', 'nb', 'ne', 'nbe', 'nu'].map(
    (name) =>
      `fldz\nfld1\nfcmov${name} st0, st1\nfistp dword [scratch]\nfstp st0\nmov edx, [scratch]\nlea esi, [esi * 4 + edx]`,
  ),
];
const FLAGS_TOO = 'pushfd\npop edx\nxor esi, edx';
const READERS = [
  ...QUIET_READERS,
  'mov edx, 0\nadc edx, ebx\nlea esi, [esi * 2 + edx]',
  'mov edx, 0\nsbb edx, ebx\nlea esi, [esi * 2 + edx]',
  `adc byte [${DATA + 4}], 3\n${FLAGS_TOO}`,
  'mov edx, ebx\nrcl edx, 1\nlea esi, [esi * 2 + edx]',
  'mov edx, ebx\nrcr edx, 5\nlea esi, [esi * 2 + edx]',
  `mov edx, ebx\nrcl dl, cl\n${FLAGS_TOO}`,
  ...[
    'cmc',
    'inc edx',
    'dec byte [scratch]',
    'rol edx, 1',
    'bt edx, 3',
    'daa',
    'das',
    'aaa',
    'aas',
    'shl edx, 0',
    'clc',
    'sti',
  ].map((code) => `mov edx, ebx\n${code}\n${FLAGS_TOO}`),
];

/** EDI is the state of the generator, and is kept where writers change it. */
const OPERANDS = `mov edi, [number]
  imul edi, edi, 69069
  inc edi
  mov [number], edi
  mov eax, edi
  mov ebx, edi
  rol ebx, 13
  mov ecx, edi
  shr ecx, 27
  ror edi, 9
  mov [${DATA}], edi`;

/** What a program is made of: every reader, and everything between, or one in so many of them, chosen by the writer. */
export interface FlagProgramOptions {
  readonly writer: number;
  readonly rounds: number;
  readonly oneIn: number;
}

/** A loop over all that is asked for, and how many page faults it has. They are counted at its label `faults`. */
export function flagProgram({ writer: index, rounds, oneIn }: FlagProgramOptions): {
  program: HotProgram;
  faults: number;
} {
  const writer = WRITERS[index];
  const chosen = <Item>(items: readonly Item[]) => items.filter((_, place) => (place + index) % oneIn === 0);
  const between = chosen(BETWEEN);
  let labels = 0;
  const unique = (code: string): string => {
    labels++;
    return code.replaceAll(/@label|differs/g, (name) => `${name.replace('@', '')}_${labels}`);
  };
  const direct = chosen(READERS).map((reader) => `${OPERANDS}\n${unique(writer)}\n${unique(reader)}`);
  const first = index % QUIET_READERS.length;
  const turned = [...QUIET_READERS.slice(first), ...QUIET_READERS.slice(0, first)];
  const around = between.map(({ before = '', after }, place) => {
    // The first to look is another each time, and one of them is the last, that may write.
    const readers = [...turned.slice(3 * place, 3 * place + 3), ...turned.slice(-2), READERS.at(-1 - place)!];
    return `${OPERANDS}\n${before}\n${unique(writer)}\n${unique(after)}\n${readers.map(unique).join('\n')}`;
  });
  const program: HotProgram = {
    paging: true,
    source: `fninit
          mov dword [number], ${index + 1}
          mov dword [rounds], ${rounds}
          again:
          ${direct.join('\n')}
          ${around.join('\n')}
          cli
          dec dword [rounds]
          jnz again`,
    handlers: `nothing: ret
          written_code: nop
          ret
          vector_4: inc dword [overflows]
          iretd
          vector_131: cmp eax, eax
          iretd
          vector_14: push eax
          or dword [${entryOf(PAGE)}], 3
          inc dword [faults]
          pop eax
          add esp, 4
          iretd
          align 4096
          number: dd 0
          rounds: dd 0
          faults: dd 0
          overflows: dd 0
          scratch: dd 0, 0`,
  };
  return { program, faults: rounds * between.reduce((sum, { faults = 0 }) => sum + faults, 0) };
}
