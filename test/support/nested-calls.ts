/** A PC with a program of two functions, one of which calls the other again and again; both keep EBP as a frame pointer. */
import type { EngineName } from '../../src/engine/engine-name.ts';
import { assemble } from '../../src/isa/assemble.ts';
import { Pc } from '../../src/machine/pc.ts';
import { sharedCode } from './shared-code.ts';

/** Times that `outer` calls `inner`. */
export const CALLS = 2000;

const START = 0x10000;
const { bytes, labels } = assemble(`
org ${START}
bits 32
start:  mov esp, 0x90000
        call outer
        ud2                     ; without an IDT: a triple fault
outer:  push ebp
        mov ebp, esp
        mov ecx, ${CALLS}
.again: push ecx
        xor eax, eax
        cpuid
        call inner
        pop ecx
        dec ecx
        jnz .again
        pop ebp
        ret
inner:  push ebp
        mov ebp, esp
        mov eax, 50
spin:   dec eax
        jnz spin
        pop ebp
        ret
last:`);

export const label = (name: string): number => labels.get(name)!;

export function createNestedCalls(engine: EngineName): Pc {
  return new Pc({
    name: 'nested',
    memoryBytes: 2 ** 20,
    cpu: 'i686',
    engine,
    boot: {
      pieces: [{ address: START, bytes }],
      entry: {
        mode: 'protected',
        eip: START,
        codeSelector: 8,
        dataSelector: 16,
        gdt: { address: 0x1000, limit: 0x17 },
      },
    },
    powerOnTime: 0,
    code: sharedCode(),
  });
}
