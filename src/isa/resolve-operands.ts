/** The operands of a decoded instruction as registers, addresses and numbers: what a reader of the code wants to see. */
import type { DecodedInstruction, MemoryOperand } from './decoded-instruction.ts';
import { bitsOf, type EncodingPattern, type Mode, type PatternOperand } from './encoding.ts';
import type { RegisterClass } from './register-names.ts';

export type ResolvedOperand = { readonly operand: PatternOperand } & (
  | {
      readonly kind: 'register';
      readonly class: RegisterClass;
      readonly number: number;
      /** Bits; 0 for control and debug registers. */
      readonly width: number;
    }
  | {
      readonly kind: 'memory';
      readonly memory: MemoryOperand;
      /** `memory.displacement`, exact also for 64-bit memory offsets. Signed. */
      readonly displacement: bigint;
      /** Bits; 0: a mere address. */
      readonly width: number;
      readonly far: boolean;
    }
  /** Signed where the encoding sign-extends it; to be taken as `width` bits. */
  | { readonly kind: 'immediate'; readonly value: bigint; readonly width: number }
  /** Branch target: an offset in the code segment. */
  | { readonly kind: 'target'; readonly address: bigint }
  | { readonly kind: 'far'; readonly selector: bigint; readonly offset: bigint }
  | { readonly kind: 'string'; readonly width: number }
);

/** All operands, implicit ones too. `address`: offset of the instruction in its code segment. */
export function resolveOperands(
  instruction: DecodedInstruction,
  pattern: EncodingPattern,
  address: bigint,
  mode: Mode,
): ResolvedOperand[] {
  const { operandSize, addressSize, memory, reg, rm, immediates } = instruction;
  let next = 0;
  return pattern.operands.map((operand): ResolvedOperand => {
    const { kind } = operand;
    const width = bitsOf(kind.width, operandSize, addressSize);
    const register = (registerClass: RegisterClass, number: number): ResolvedOperand => ({
      operand,
      kind: 'register',
      class: registerClass,
      number,
      width,
    });
    switch (kind.source) {
      case 'reg':
        return register('gpr', reg);
      case 'segment':
      case 'control':
      case 'debug':
        return register(kind.source, reg);
      case 'opcode':
      case 'rmReg':
        return register('gpr', rm);
      case 'stack87':
        return register('stack87', rm);
      case 'rm':
      case 'memory':
        if (memory === undefined) return register('gpr', rm);
        return {
          operand,
          kind: 'memory',
          memory,
          displacement: BigInt(memory.displacement),
          width,
          far: operand.kindName === 'mfar',
        };
      case 'memoryOffset': {
        const displacement = BigInt.asIntN(addressSize, immediates[next++]);
        return { operand, kind: 'memory', memory: memory!, displacement, width, far: false };
      }
      case 'fixed':
        if (kind.fixedClass === 'constant') return { operand, kind: 'immediate', value: BigInt(kind.fixed!), width };
        return register(kind.fixedClass!, kind.fixed!);
      case 'immediate':
        return { operand, kind: 'immediate', value: immediates[next++], width };
      case 'relative': {
        const end = address + BigInt(instruction.length);
        const bits = mode === 64 ? 64 : operandSize;
        return { operand, kind: 'target', address: BigInt.asUintN(bits, end + immediates[next++]) };
      }
      case 'farPointer':
        return { operand, kind: 'far', offset: immediates[next++], selector: immediates[next++] };
      default:
        return { operand, kind: 'string', width };
    }
  });
}
