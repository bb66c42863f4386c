/**
 * Storms of exceptions: every source of a fault or trap, from every privilege level, through every type of gate, at every
 * code width, with handlers that return to the same fault, fault themselves, or start anew.
 */
import { type HostileProgram, staged } from './program.ts';
import {
  AT,
  GATES,
  type GateKind,
  type GateTarget,
  gateWords,
  type Level,
  type Reaction,
  SELECTOR,
  type StageSpec,
  type Width,
} from './stage.ts';

export interface FaultSource {
  readonly name: string;
  /** Whose handler is entered; undefined if it depends. */
  readonly vector: number | undefined;
  readonly body: string;
  readonly before?: string;
  readonly setup?: string;
  readonly flags?: number;
  readonly paging?: boolean;
  /** Levels where it faults as it should. */
  readonly levels?: readonly Level[];
  /** Widths at which it does. */
  readonly widths?: readonly Width[];
  readonly gates?: StageSpec['gates'];
  readonly data?: string;
}

const TF = 0x100;
const IOPL3 = 0x3000;
const NT = 0x4000;
const AC = 0x4_0000;
const ABSENT_PAGE = 0x3f_0000;
const VECTOR_OF_GP = 13;
const setBits = (register: 'cr0' | 'cr4', bits: number) =>
  `mov eax, ${register}\nor eax, ${bits}\nmov ${register}, eax`;
/** Enabled globally: a task switch clears the local bits. */
const debugRegister = (index: number, address: number | string, dr7: number) =>
  `mov eax, ${address}\nmov dr${index}, eax\nmov eax, ${dr7}\nmov dr7, eax`;
/** A gate that is not present. */
const absentGate = (): [number, number] => {
  const [low, high] = gateWords('interrupt32', SELECTOR.CODE, 0);
  return [low, high & ~0x8000];
};
const PROTECTED: readonly Width[] = [16, 32];
const WIDTHS: readonly Width[] = [32, 16, 'v86', 64];

/** All that can be met without I/O. `setup` is 32-bit code at level 0. */
export const FAULT_SOURCES: readonly FaultSource[] = [
  { name: '#DE by DIV', vector: 0, body: 'xor ecx, ecx\ndiv ecx' },
  { name: '#DE by AAM 0', vector: 0, body: 'db 0xd4, 0', widths: [16, 32, 'v86'] },
  { name: '#DE by IDIV overflow', vector: 0, body: 'mov edx, 0x80000000\nmov ecx, -1\nxor eax, eax\nidiv ecx' },
  { name: '#DB by INT1', vector: 1, body: 'db 0xf1' },
  { name: '#DB by single steps', vector: 1, body: 'inc eax\nnop', flags: TF },
  { name: '#DB by single steps over traps', vector: 1, body: 'nop\ndb 0xf1\nint3', flags: TF },
  { name: '#DB by an instruction breakpoint', vector: 1, body: 'inc eax', setup: debugRegister(0, 'again', 0x402) },
  {
    name: '#DB by a data breakpoint',
    vector: 1,
    body: `inc dword [${AT.DATA}]`,
    setup: debugRegister(1, AT.DATA, 0xd0_0408),
  },
  {
    name: '#DB by four breakpoints',
    vector: 1,
    body: `again2: inc dword [${AT.DATA}]\nmov eax, [${AT.DATA + 8}]\npush eax\npop eax`,
    setup: [
      debugRegister(0, 'again', 0),
      debugRegister(1, 'again2', 0),
      debugRegister(2, AT.DATA, 0),
      debugRegister(3, AT.DATA + 8, (0xffd0_04ff & ~0x00f0_0000) | 0x0d00_0000),
    ].join('\n'),
  },
  {
    name: '#DB by an I/O breakpoint',
    vector: 1,
    body: 'in al, 0x80',
    setup: `${setBits('cr4', 8)}\n${debugRegister(0, 0x80, 0x2_0402)}`,
    flags: IOPL3,
    widths: PROTECTED,
  },
  {
    name: '#DB by general detect',
    vector: 1,
    body: 'mov eax, 0x2400\nmov dr7, eax\nmov eax, dr7',
    levels: [0],
    widths: PROTECTED,
  },
  { name: '#BP by INT3', vector: 3, body: 'int3', flags: IOPL3 },
  { name: '#OF by INTO', vector: 4, body: 'mov al, 0x7f\ninc al\ndb 0xce', flags: IOPL3, widths: [16, 32, 'v86'] },
  {
    name: '#BR by BOUND',
    vector: 5,
    body: `mov eax, 0x10001\nbound eax, [${AT.DATA}]`,
    widths: [16, 32, 'v86'],
  },
  { name: '#UD by UD2', vector: 6, body: 'ud2' },
  { name: '#UD by a LOCK that cannot be', vector: 6, body: 'db 0xf0, 0x90' },
  { name: '#NM', vector: 7, body: 'fnop', setup: setBits('cr0', 8) },
  {
    name: '#DF by a gate that is not present',
    vector: 8,
    body: 'mov ax, 0xfff8\nmov es, ax',
    gates: new Map([[VECTOR_OF_GP, absentGate()]]),
    widths: PROTECTED,
  },
  {
    name: '#TS by a TSS that is too short',
    vector: 10,
    body: `call ${SELECTOR.SHORT_TSS | 3}:0`,
    widths: PROTECTED,
  },
  {
    name: '#TS by IRET with a bad link',
    vector: 10,
    body: 'pushf\npop eax\nor eax, 0x4000\npush eax\npopf\niret',
    flags: NT,
    widths: PROTECTED,
  },
  { name: '#NP', vector: 11, body: `mov ax, ${SELECTOR.absent(3)}\nmov es, ax`, widths: PROTECTED },
  { name: '#SS beyond the limit', vector: 12, body: 'mov ebp, 0x20000\nmov eax, [ss:ebp]', widths: [16, 'v86'] },
  { name: '#GP by a bad selector', vector: 13, body: 'mov ax, 0xfff8\nmov es, ax', widths: PROTECTED },
  { name: '#GP by HLT', vector: 13, body: 'hlt', levels: [1, 2, 3], widths: [16, 32, 'v86'] },
  { name: '#GP by port I/O', vector: 13, body: 'in al, 0x40', levels: [1, 2, 3], widths: PROTECTED },
  { name: '#GP by an instruction of 16 bytes', vector: 13, body: 'times 15 db 0x66\nnop' },
  {
    name: '#PF by reading',
    vector: 14,
    body: `mov ebx, ${ABSENT_PAGE}\nmov eax, [ebx]`,
    paging: true,
    widths: [32, 64],
  },
  {
    name: '#PF by writing',
    vector: 14,
    body: `mov ebx, ${ABSENT_PAGE}\nlock inc dword [ebx]`,
    paging: true,
    widths: [32, 64],
  },
  { name: '#PF by fetching', vector: 14, body: `mov eax, ${ABSENT_PAGE}\njmp eax`, paging: true, widths: [32] },
  {
    name: '#PF in the middle of REP MOVS',
    vector: 14,
    body: `mov esi, ${AT.PROGRAM}\nmov edi, ${0x30_0000 - 16}\nmov ecx, 100\nrep movsd`,
    paging: true,
    widths: [32],
  },
  {
    name: '#MF',
    vector: 16,
    body: 'fninit\nmov dword [ss:0x7010], 0x340\nfldcw [ss:0x7010]\nfld1\nfldz\nfdivp\nfwait',
    setup: setBits('cr0', 0x20),
    widths: [16, 32],
  },
  {
    name: '#AC',
    vector: 17,
    body: `mov eax, [${AT.DATA + 1}]`,
    setup: setBits('cr0', 0x4_0000),
    flags: AC,
    levels: [3],
    widths: PROTECTED,
  },
  { name: 'INT 80h', vector: 32, body: 'int 0x80', flags: IOPL3 },
  {
    name: 'INT through a gate of level 0',
    vector: 13,
    body: 'int 0x81',
    gates: new Map([[0x81, gateWords('interrupt32', SELECTOR.CODE, AT.PROGRAM, 0)]]),
    levels: [1, 2, 3],
    widths: PROTECTED,
  },
  {
    name: 'INT of all vectors',
    vector: undefined,
    body: Array.from({ length: 256 }, (_, n) => `int ${n}`).join('\n'),
    flags: IOPL3,
  },
];

/** Where `AT.ENTERED` counts the task that task gates lead to. */
const HANDLER_TASK = 33;

export interface FaultStorm {
  readonly source: FaultSource;
  readonly width: Width;
  readonly level: Level;
  readonly gate: GateKind;
  readonly target: GateTarget;
  readonly reaction: Reaction;
}

export const levelsOf = (source: FaultSource, width: Width): readonly Level[] => {
  if (width === 'v86') return [3];
  if (width === 64) return [0];
  return source.levels ?? [0, 1, 2, 3];
};

export const storms = (source: FaultSource, width: Width): boolean =>
  (source.widths ?? WIDTHS).includes(width) && (width !== 64 || (source.setup === undefined && !source.gates));

export function faultStorm(
  { source, width, level, gate, target, reaction }: FaultStorm,
  extra: Partial<StageSpec> = {},
): HostileProgram {
  const where = width === 'v86' ? 'V86' : `${width} bits, CPL ${level}`;
  const through = width === 64 ? '' : `, ${gate} gate to ${target} level`;
  const places = extra.places
    ? `, ${Object.entries(extra.places)
        .map(([what, place]) => `${what} in ${place}`)
        .join(', ')}`
    : '';
  // Interrupts in IA-32e mode are a #UD each. 16-bit frames lose VM.
  const counted =
    reaction === 'return' &&
    source.vector !== undefined &&
    target === 'inner' &&
    !extra.places &&
    width !== 64 &&
    !(width === 'v86' && gate.endsWith('16'));
  const counter = gate === 'task' ? HANDLER_TASK : source.vector!;
  return staged(
    `${width === 'v86' ? 'virtual-8086' : `${width}-bit`} faults, handlers ${reaction}`,
    `${source.name}: ${where}${through}, handler: ${reaction}${places}`,
    {
      body: source.body,
      ...(source.before !== undefined && { before: source.before }),
      ...(source.setup !== undefined && { setup: source.setup }),
      ...(source.data !== undefined && { data: source.data }),
      ...(source.gates && { gates: source.gates }),
      flags: source.flags ?? 0,
      paging: source.paging ?? false,
      width,
      level,
      gate,
      target,
      reaction,
      ...extra,
    },
    counted ? { counts: AT.ENTERED + 4 * counter } : {},
  );
}

/**
 * Each source at each width and level, returning from handlers: at level 3, and at level 0 with 32 bits, through every
 * type of gate, elsewhere through one; and each with handlers that meet the same again, at once.
 */
export function* faultStorms(): Generator<HostileProgram> {
  let turn = 0;
  const pick = <Item>(items: readonly Item[]): Item => items[turn++ % items.length];
  for (const source of FAULT_SOURCES) {
    for (const width of WIDTHS.filter((each) => storms(source, each))) {
      for (const level of levelsOf(source, width)) {
        const everyGate = level === 3 || (level === 0 && width === 32);
        const gates = width === 64 ? (['interrupt32'] as const) : everyGate ? GATE_KINDS : [pick(GATE_KINDS)];
        for (const gate of gates) yield faultStorm({ source, width, level, gate, target: 'inner', reaction: 'return' });
        if (width === 64) continue;
        const targets = level === 0 ? LEVEL_0_TARGETS : width === 'v86' ? (['inner'] as const) : TARGETS;
        const [gate, trap] = width === 16 ? (['interrupt16', 'trap16'] as const) : (['interrupt32', 'trap32'] as const);
        yield faultStorm({ source, width, level, gate, target: pick(targets), reaction: 'again' });
        if (level === 0 || level === 3)
          yield faultStorm({ source, width, level, gate: trap, target: 'same', reaction: 'restart' });
      }
    }
  }
}

const GATE_KINDS = Object.keys(GATES) as GateKind[];
const TARGETS: readonly GateTarget[] = ['inner', 'conforming', 'same'];
const LEVEL_0_TARGETS: readonly GateTarget[] = ['inner', 'conforming'];
