/**
 * The operand notation of the instruction table: the manual's own, one word per kind.
 * "v" is the operand size (16, 32, 64), "z" is 16 or 32 (32 also when the operand size is 64), "a" the address size.
 */
export type OperandSource =
  /** General register in ModR/M.reg, ModR/M.rm (must be a register), the opcode's low three bits. */
  | 'reg'
  | 'rmReg'
  | 'opcode'
  /** ModR/M.rm: register or memory; memory only. */
  | 'rm'
  | 'memory'
  /** An immediate (also: a relative branch target, a far pointer, a memory offset). */
  | 'immediate'
  | 'relative'
  | 'farPointer'
  | 'memoryOffset'
  /** Segment, control, debug register in ModR/M.reg; x87 register in the opcode's (or ModR/M's) low three bits. */
  | 'segment'
  | 'control'
  | 'debug'
  | 'stack87'
  /** A register or number named by the kind itself. */
  | 'fixed'
  /** String operands: DS:rSI (segment may be overridden) and ES:rDI. */
  | 'stringSource'
  | 'stringDestination';

export interface OperandKind {
  readonly source: OperandSource;
  /** Width in bits; 'v', 'z' follow the operand size, 'a' the address size; 0: has none (a pure address, as in LEA). */
  readonly width: number | 'v' | 'z' | 'a';
  /** Width of the encoded immediate, where it differs from `width`: it is sign-extended. */
  readonly encodedWidth?: number | 'z';
  /** 'fixed': the register's number (GPR or segment by `fixedClass`), or the constant. */
  readonly fixed?: number;
  readonly fixedClass?: 'gpr' | 'segment' | 'constant' | 'stack87';
}

const rm = (width: OperandKind['width']): OperandKind => ({ source: 'rm', width });
const memory = (width: OperandKind['width']): OperandKind => ({ source: 'memory', width });
const gpr = (fixed: number, width: OperandKind['width']): OperandKind => ({
  source: 'fixed',
  fixedClass: 'gpr',
  fixed,
  width,
});
const segment = (fixed: number): OperandKind => ({ source: 'fixed', fixedClass: 'segment', fixed, width: 16 });

export const OPERAND_KINDS = {
  r8: { source: 'reg', width: 8 },
  r16: { source: 'reg', width: 16 },
  r32: { source: 'reg', width: 32 },
  r64: { source: 'reg', width: 64 },
  rv: { source: 'reg', width: 'v' },
  /** Register in the opcode byte ("50+r"). */
  o8: { source: 'opcode', width: 8 },
  o32: { source: 'opcode', width: 32 },
  ov: { source: 'opcode', width: 'v' },
  rm8: rm(8),
  rm16: rm(16),
  rm32: rm(32),
  rm64: rm(64),
  rmv: rm('v'),
  /** ModR/M.rm that must be a register. */
  rr8: { source: 'rmReg', width: 8 },
  rr16: { source: 'rmReg', width: 16 },
  rr32: { source: 'rmReg', width: 32 },
  rr64: { source: 'rmReg', width: 64 },
  rrv: { source: 'rmReg', width: 'v' },
  /** Memory only; `m`: no size (LEA, INVLPG, far structures whose size the row knows). */
  m: memory(0),
  m8: memory(8),
  m16: memory(16),
  m32: memory(32),
  m64: memory(64),
  m80: memory(80),
  m128: memory(128),
  mv: memory('v'),
  /** A far pointer in memory: offset of the operand size, then a 16-bit selector. */
  mfar: memory('v'),
  imm8: { source: 'immediate', width: 8 },
  imm16: { source: 'immediate', width: 16 },
  /** One byte, sign-extended to the operand size. */
  imm8s: { source: 'immediate', width: 'v', encodedWidth: 8 },
  /** 16 or 32 bits, sign-extended to the operand size. */
  immz: { source: 'immediate', width: 'v', encodedWidth: 'z' },
  /** The whole operand size, 64 bits included (MOV r64, imm64). */
  immv: { source: 'immediate', width: 'v' },
  rel8: { source: 'relative', width: 'v', encodedWidth: 8 },
  relz: { source: 'relative', width: 'v', encodedWidth: 'z' },
  far: { source: 'farPointer', width: 'z' },
  moffs8: { source: 'memoryOffset', width: 8 },
  moffsv: { source: 'memoryOffset', width: 'v' },
  sreg: { source: 'segment', width: 16 },
  creg: { source: 'control', width: 0 },
  dreg: { source: 'debug', width: 0 },
  al: gpr(0, 8),
  cl: gpr(1, 8),
  ax: gpr(0, 16),
  dx: gpr(2, 16),
  eax: gpr(0, 32),
  ecx: gpr(1, 32),
  edx: gpr(2, 32),
  rAX: gpr(0, 'v'),
  rDX: gpr(2, 'v'),
  es: segment(0),
  cs: segment(1),
  ss: segment(2),
  ds: segment(3),
  fs: segment(4),
  gs: segment(5),
  one: { source: 'fixed', fixedClass: 'constant', fixed: 1, width: 8 },
  three: { source: 'fixed', fixedClass: 'constant', fixed: 3, width: 8 },
  st0: { source: 'fixed', fixedClass: 'stack87', fixed: 0, width: 80 },
  sti: { source: 'stack87', width: 80 },
  srcString8: { source: 'stringSource', width: 8 },
  srcStringv: { source: 'stringSource', width: 'v' },
  srcStringz: { source: 'stringSource', width: 'z' },
  dstString8: { source: 'stringDestination', width: 8 },
  dstStringv: { source: 'stringDestination', width: 'v' },
  dstStringz: { source: 'stringDestination', width: 'z' },
} as const satisfies Record<string, OperandKind>;

export type OperandKindName = keyof typeof OPERAND_KINDS;
