/**
 * Memory access of cold code, as one wasm module: segment check, TLB look-up, on a miss the page walk, and
 * where that declines the slow path in TypeScript. `(state, segment, offset[, value])`; `segment` is the address of a segment's state.
 */
import { PAGE_SIZE } from '../../base/address.ts';
import { SEGMENT_FIELDS, STATE } from '../../cpu/state-layout.ts';
import { CodeWriter, I32, I64 } from '../../wasm/code-writer.ts';
import { type FunctionType, ModuleBuilder } from '../../wasm/module-builder.ts';
import { loadOpcode, storeOpcode } from '../lowering/form-lowering.ts';
import { defineTlbFill, type TlbFill } from '../lowering/tlb-fill.ts';
import { pushHostAddress, pushProbe, type TlbProbe } from '../lowering/tlb-probe.ts';

export const ACCESS_WIDTHS = [8, 16, 32, 64] as const;
type AccessKind = 'load' | 'modify' | 'store';
export const ACCESS_KINDS: readonly AccessKind[] = ['load', 'modify', 'store'];
/** Second argument of the slow path and of the segment fault: bytes, and what is asked. */
export const ACCESS_CODE: Record<AccessKind, number> = { load: 0, modify: 0x100, store: 0x200 };

export const accessName = (kind: AccessKind, width: number): string => `${kind}${width}`;

/** Types of the access functions, for importing them. */
export const accessType = (kind: AccessKind, width: number, options: { wide: boolean }): FunctionType => {
  const value = width === 64 ? I64 : I32;
  const offset = options.wide ? I64 : I32;
  return kind === 'store'
    ? { parameters: [I32, I32, offset, value], results: [] }
    : { parameters: [I32, I32, offset], results: [value] };
};

/** Bytes of the module. It imports `slow` (state, access code) and `slowSegment` (segment, offset, access code). */
export function buildMemoryFunctions(options: { wide: boolean; maximumPages: number }): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  const { wide } = options;
  module.importMemory('memory', { minimumPages: 1, maximumPages: options.maximumPages });
  // The slow path finds the linear address in `scratchAddress`, and takes or leaves the value in `scratch`.
  const slow = module.importFunction('slow', { parameters: [I32, I32], results: [] });
  const slowSegment = module.importFunction('slowSegment', { parameters: [I32, I32, I32], results: [] });
  const fill = wide ? undefined : defineTlbFill(module);
  for (const kind of ACCESS_KINDS) {
    for (const width of ACCESS_WIDTHS) {
      const index = module.declare(accessType(kind, width, { wide }), accessName(kind, width));
      module.define(index, accessFunction(kind, width, { wide, slow, slowSegment, fill }));
      module.export(accessName(kind, width), index);
    }
  }
  return module.finish();
}

function accessFunction(
  kind: AccessKind,
  width: number,
  context: { wide: boolean; slow: number; slowSegment: number; fill: TlbFill | undefined },
): CodeWriter {
  const { wide } = context;
  const isStore = kind === 'store';
  const code = new CodeWriter(isStore ? 4 : 3);
  const [state, segment, offset, value] = [0, 1, 2, 3];
  const bytes = width / 8;
  const accessCode = bytes | ACCESS_CODE[kind];
  const pointer = wide ? I64 : I32;
  const last = code.newLocal(pointer);
  const linear = code.newLocal(pointer);

  // Slow paths take and leave the value in `scratch`.
  const passValue = () => {
    if (!isStore) return;
    code.get(state);
    code.get(value);
    code.memory(width === 64 ? 'i64.store' : 'i32.store', STATE.fields.scratch);
  };
  const takeValue = () => {
    if (isStore) return;
    code.get(state);
    code.memory(width === 64 ? 'i64.load' : 'i32.load', STATE.fields.scratch);
  };

  if (!wide) {
    // The bounds are a short cut: low..high are valid if the last byte does not wrap. The slow path decides the rest.
    code.get(offset);
    code.i32(bytes - 1);
    code.op('i32.add');
    code.tee(last);
    code.get(segment);
    code.memory('i32.load', kind === 'load' ? SEGMENT_FIELDS.highRead : SEGMENT_FIELDS.highWrite);
    code.op('i32.gt_u');
    code.get(offset);
    code.get(segment);
    code.memory('i32.load', SEGMENT_FIELDS.low);
    code.op('i32.lt_u', 'i32.or');
    code.get(last);
    code.get(offset);
    code.op('i32.lt_u', 'i32.or');
    code.if();
    passValue();
    code.get(segment);
    code.get(offset);
    code.i32(accessCode);
    code.call(context.slowSegment);
    takeValue();
    code.op('return');
    code.end();
  }
  code.get(offset);
  code.get(segment);
  code.memory(wide ? 'i64.load' : 'i32.load', SEGMENT_FIELDS.base);
  code.op(wide ? 'i64.add' : 'i32.add');
  code.set(linear);

  const table = kind === 'load' ? 'tlbRead' : 'tlbWrite';
  const probe: TlbProbe = { table, bytes, wide, state, linear, entry: code.newLocal(I32) };
  pushProbe(code, probe, 'misses');
  code.if();
  if (context.fill) {
    // An access to two pages is for the slow path, which checks both before it touches either.
    code.get(linear);
    code.i32(PAGE_SIZE - 1);
    code.op('i32.and');
    code.i32(PAGE_SIZE - bytes);
    code.op('i32.gt_u');
    code.if(I32);
    code.i32(1);
    code.else();
    code.get(state);
    code.get(linear);
    code.i32(kind === 'load' ? 0 : 1);
    code.call(context.fill.index);
    code.op('i32.eqz');
    code.end();
    code.if();
  }
  code.get(state);
  code.get(linear);
  if (!wide) code.op('i64.extend_i32_u');
  code.memory('i64.store', STATE.fields.scratchAddress);
  passValue();
  code.get(state);
  code.i32(accessCode);
  code.call(context.slow);
  takeValue();
  code.op('return');
  if (context.fill) code.end();
  code.end();
  pushHostAddress(code, probe);
  if (isStore) code.get(value);
  code.memory(isStore ? storeOpcode(width) : loadOpcode(width), 0);
  return code;
}
