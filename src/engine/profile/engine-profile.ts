/** What a processor can tell of where its time went: plain data, as it is when it is asked for. */
import type { InterruptEvent } from '../../cpu/interrupt-delivery.ts';
import type { ExitCause } from '../jit/lowering/region-exits.ts';

/** What the regions that begin at one place have done, those that are gone among them. */
export interface RegionTotals {
  /** Times that a translation was put to work. */
  readonly linked: number;
  /** Instructions in it, the last time. */
  readonly instructions: number;
  readonly entered: number;
  readonly retired: number;
  /** Times that it could not be entered, because a page did not lie where it lay. */
  readonly refused: number;
  /** Times that it was left, by cause. */
  readonly exits: Readonly<Record<ExitCause, number>>;
}

export interface RegionProfile extends RegionTotals {
  /** Physical address of its first instruction. */
  readonly physical: number;
  /** Linear address of it, where it was linked last. */
  readonly linear: number;
  readonly user: boolean;
}

export interface TranslationProfile {
  /** Those that retired most, the greatest first. */
  readonly regions: readonly RegionProfile[];
  /** All others together. */
  readonly others: RegionTotals;
  /** Regions at work now. */
  readonly live: number;
  /** Regions compiled, in how many modules of how many bytes. */
  readonly compiled: number;
  readonly modules: number;
  readonly codeBytes: number;
  /** Regions put to work again without being compiled: the same bytes were met anew. */
  readonly reused: number;
  /** Host time in ms; absent where there is no clock. */
  readonly loweringTime?: number;
  readonly compileTime?: number;
  /** Pages whose translated code has changed, and those of them that must be hotter now to be translated again. */
  readonly changedPages: number;
  readonly cooledPages: number;
}

export interface EngineProfile {
  /** Calls of helpers, by name. */
  readonly helpers: Readonly<Record<string, number>>;
  /** Other calls from emitted code. */
  readonly calls: Readonly<Record<EngineCall, number>>;
  /** Blocks decoded since power-on. */
  readonly decodedBlocks: number;
  /** Undefined for an engine that does not translate. */
  readonly translation?: TranslationProfile | undefined;
}

/**
 * 'memory': accesses that the TLB does not answer, or not to plain memory. 'lookUp': blocks looked for. 'cutBlock': blocks
 * entered with less budget than they have instructions. 'fault': exceptions that emitted code raises.
 */
export type EngineCall = 'memory' | 'lookUp' | 'cutBlock' | 'translate' | 'fault';

export interface EventCount {
  readonly kind: InterruptEvent['kind'];
  readonly vector: number;
  readonly count: number;
}

export interface ProcessorProfile {
  /** Instructions retired since power-on, and what counts as one. */
  readonly instructions: number;
  /** Attempts to deliver an exception or interrupt, by vector; software interrupts are helpers. */
  readonly events: readonly EventCount[];
  /** Page walks since power-on that emitted code left to the MMU. */
  readonly pageWalks: number;
  /** Undefined for an engine of which nothing is counted. */
  readonly engine?: EngineProfile | undefined;
}
