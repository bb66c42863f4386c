/** What a hostile program is. */
import { assemble } from '../../src/isa/assemble.ts';
import { createStage, type Stage, type StageSpec } from './stage.ts';

export interface HostileProgram {
  /** Unique. */
  readonly name: string;
  /** What kind of storm it is: one program of each kind runs beside a victim. */
  readonly kind: string;
  readonly cpu: 'i686' | 'x86-64';
  /** Built when it is needed: assembling takes a while. */
  readonly build: () => Stage;
  /** Edges on NMI, one every so many instructions. */
  readonly nmi?: boolean;
  /** It waits for timers, which come every few hundred instructions. */
  readonly waits?: boolean;
  /**
   * Physical address of a doubleword that shows how far it got; it must have been counted up dozens of times,
   * or the program does not do what its name says.
   */
  readonly counts?: number;
}

type Extras = Partial<Pick<HostileProgram, 'nmi' | 'counts' | 'waits'>>;

/** A program on the stage. */
export function staged(kind: string, name: string, spec: StageSpec, extras: Extras = {}): HostileProgram {
  return { kind, name, cpu: spec.width === 64 ? 'x86-64' : 'i686', build: () => createStage(spec), ...extras };
}

export const REAL_MODE_START = 0x7c00;
const IDLE_HANDLER = 0x600;

/**
 * A program in real-address mode, at 0000:7C00 like a boot sector. All vectors lead to an IRET, unless the program
 * writes its own; interrupts are off until it says STI.
 */
export function realMode(kind: string, name: string, source: string, extras: Extras = {}): HostileProgram {
  const build = (): Stage => ({
    boot: {
      pieces: [
        { address: 0, bytes: new Uint8Array(new Uint32Array(256).fill(IDLE_HANDLER).buffer) },
        { address: IDLE_HANDLER, bytes: Uint8Array.of(0xcf) },
        { address: REAL_MODE_START, bytes: assemble(`bits 16\n${source}`, { origin: REAL_MODE_START }).bytes },
      ],
      entry: { mode: 'real', ip: REAL_MODE_START },
    },
  });
  return { kind, name, cpu: 'i686', build, ...extras };
}
