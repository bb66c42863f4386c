/** A processor with memory and ports and nothing else: no firmware, no tables but what a test writes. */
import { VirtualClock } from '../../../src/base/virtual-clock.ts';
import type { PortSpace } from '../../../src/cpu/cpu.ts';
import { type CodeSpace, createCodeSpace } from '../../../src/engine/code-space.ts';
import { type EngineName, Processor, type ProcessorOptions } from '../../../src/engine/processor.ts';
import { enterBootImage } from '../../../src/machine/entry.ts';
import { GuestMemory } from '../../../src/memory/guest-memory.ts';
import { Pool } from '../../../src/memory/pool.ts';
import { sharedCode as sharedMachineCode } from '../../support/shared-code.ts';

export interface BareMachine {
  readonly memory: GuestMemory;
  readonly processor: Processor;
  readonly clock: VirtualClock;
  write(address: number, bytes: ArrayLike<number>): void;
  /** To flat 32-bit protected mode, CPL 0, interrupts off, ESP 8000h; the GDT lies at 1000h and is for the test to fill. */
  enter(eip: number): void;
  /** To real-address mode, all segments 0, SP = `ip`. */
  enterReal(ip: number): void;
  dispose(): void;
}

const shared: { code?: CodeSpace } = {};
/** The pool and compiled code that the bare machines of a test file share. */
export const sharedCode = (): CodeSpace => (shared.code ??= createCodeSpace(Pool.create(), sharedMachineCode()));

/** The interrupt controller gives vector 9. `settings` go to the processor as they are. */
export function createBareMachine(
  engine: EngineName,
  options: { memory?: number; ports?: PortSpace; settings?: Partial<ProcessorOptions> } = {},
): BareMachine {
  const code = sharedCode();
  const memory = new GuestMemory(code.pool, { size: options.memory ?? 4 * 2 ** 20 });
  const clock = new VirtualClock();
  const processor = new Processor({
    name: 'bare',
    code,
    memory,
    ports: options.ports ?? { read: (_, size) => 2 ** (8 * size) - 1, write: () => {} },
    clock,
    model: 'i686',
    engine,
    interrupts: {
      acknowledge: () => {
        processor.intr.set(0);
        return 9;
      },
    },
    ...options.settings,
  });
  return {
    memory,
    processor,
    clock,
    write: (address, bytes) => memory.copyIn(address, Uint8Array.from(bytes)),
    enter(eip) {
      enterBootImage(processor, {
        mode: 'protected',
        gdt: { address: 0x1000, limit: 0xfff },
        codeSelector: 0x08,
        dataSelector: 0x10,
        eip,
      });
      processor.state.setReg32(4, 0x8000);
    },
    enterReal: (ip) => enterBootImage(processor, { mode: 'real', ip }),
    dispose() {
      processor.dispose();
      memory.dispose();
    },
  };
}
