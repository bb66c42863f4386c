/** Guests as those see them who deal out memory. */
import type { MemoryPool } from '../../machine/machine.ts';
import type { SwapSpace } from '../../memory/page-source.ts';

/** A guest, as far as its memory goes. */
export interface MemoryGuest {
  readonly name: string;
  readonly state: string;
  readonly machine: {
    readonly memorySize: number;
    readonly memoryInUse: number;
    readonly memoryShared: number;
    readonly memorySwapped: number;
    swapOut(bytes: number, swap: SwapSpace): number;
    readonly memoryPool: MemoryPool;
    memoryLimit: number;
  };
  readonly balloon: BalloonOfGuest | undefined;
}

/** In MiB. */
export interface BalloonOfGuest {
  readonly actual: number;
  readonly target: number;
  /** What the host asks for; what its owner asks for counts if it is more. */
  reclaim: number;
  readonly figures: { readonly availableMemory?: number | undefined; readonly freeMemory?: number | undefined };
  /** Its figures are newer than the last change of what it is asked for. */
  readonly answered: boolean;
  /** Asks for new figures. @returns false if there is no driver that gives any */
  refresh(): boolean;
}

/** What the host knows of a guest besides. */
export interface Holder<G extends MemoryGuest> {
  readonly guest: G;
  readonly weight: number;
  /** Bytes that it may hold in any case. */
  readonly reserved: number;
  /** Host time that it was given so far, in ms. */
  readonly run: number;
}
