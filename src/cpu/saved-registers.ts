/** A processor's registers as plain data, by name: what a snapshot keeps of the state block. */
import { UserError } from '../base/errors.ts';
import { readEflags, writeEflags } from './flags.ts';
import { refreshSegmentBounds } from './segmentation.ts';
import { VISIBLE_FIELDS } from './state-hash.ts';
import { type CpuState, FIELD_KINDS, type FieldName, STATE } from './state-layout.ts';

const GENERAL = 'rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15'.split(' ');
const SEGMENTS = 'es cs ss ds fs gs ldtr tr'.split(' ');
/** `nextIp` counts where an exception is still to be delivered. */
const SAVED_FIELDS: readonly FieldName[] = [...VISIBLE_FIELDS, 'nextIp'];
const X87_REGISTERS = 8;
const X87_STRIDE = 16;
const XMM_BYTES = 16 * 16;

export interface SavedSegment {
  readonly selector: number;
  readonly base: number;
  readonly limit: number;
  /** As `SegmentState` has it. */
  readonly access: number;
}

export interface SavedRegisters {
  /** RAX to R15, 64 bits each. */
  readonly general: Readonly<Record<string, bigint>>;
  readonly eflags: number;
  /** Instruction pointer, control, debug, model-specific and x87 control registers: the fields of the state block that its guest can see. */
  readonly fields: Readonly<Record<string, number | bigint>>;
  readonly segments: Readonly<Record<string, SavedSegment>>;
  /** R0–R7, whatever TOP is. */
  readonly x87: readonly { readonly significand: bigint /** Bit 15 and 14–0. */; readonly signExponent: number }[];
  /** XMM0–XMM15, 16 bytes each. */
  readonly xmm: Uint8Array;
}

/** Between runs. */
export function saveRegisters(state: CpuState): SavedRegisters {
  const { views } = state.pool;
  const x87 = Array.from({ length: X87_REGISTERS }, (_, index) => {
    const at = state.address + STATE.x87 + index * X87_STRIDE;
    return { significand: views.u64[at >>> 3], signExponent: views.u16[(at + 8) >>> 1] };
  });
  const xmmAt = state.address + STATE.xmm;
  return {
    general: Object.fromEntries(GENERAL.map((name, index) => [name, state.reg64(index)])),
    eflags: readEflags(state),
    fields: Object.fromEntries(SAVED_FIELDS.map((name) => [name, state[name]])),
    segments: Object.fromEntries(
      SEGMENTS.map((name, index) => {
        const { selector, base, limit, access } = state.segments[index];
        return [name, { selector, base, limit, access }];
      }),
    ),
    x87,
    xmm: views.u8.slice(xmmAt, xmmAt + XMM_BYTES),
  };
}

/** @throws UserError for a register that this processor does not have; one that is not named keeps its value after reset */
export function checkRegisters({ general, segments, fields }: SavedRegisters): void {
  const unknown =
    Object.keys(general).find((name) => !GENERAL.includes(name)) ??
    Object.keys(segments).find((name) => !SEGMENTS.includes(name)) ??
    Object.keys(fields).find((name) => !SAVED_FIELDS.includes(name as FieldName));
  if (unknown !== undefined)
    throw new UserError(`the snapshot's processor has a register that this version does not know: ${unknown}`);
}

/** `checkRegisters` has passed, and the processor has been reset. `Cpu.modeChanged` must follow. */
export function restoreRegisters(state: CpuState, saved: SavedRegisters): void {
  const { views } = state.pool;
  for (const [name, value] of Object.entries(saved.general)) state.setReg64(GENERAL.indexOf(name), value);
  writeEflags(state, saved.eflags);
  for (const [name, value] of Object.entries(saved.fields)) setField(state, name as FieldName, value);
  for (const [name, value] of Object.entries(saved.segments)) {
    const segment = state.segments[SEGMENTS.indexOf(name)];
    Object.assign(segment, value);
    refreshSegmentBounds(segment);
  }
  for (const [index, { significand, signExponent }] of saved.x87.entries()) {
    const at = state.address + STATE.x87 + index * X87_STRIDE;
    views.u64[at >>> 3] = significand;
    views.u16[(at + 8) >>> 1] = signExponent;
  }
  views.u8.set(saved.xmm, state.address + STATE.xmm);
}

function setField(state: CpuState, name: FieldName, value: number | bigint): void {
  const fields = state as unknown as Record<FieldName, number | bigint>;
  fields[name] = FIELD_KINDS[name] === 'u64' ? BigInt(value) : Number(value);
}
