/** A snapshot that can be read, wherever its pages lie: in a file of its own, or in a store. */
import type { NumberedPage } from './snapshot-writer.ts';

export interface SavedPages {
  /** As it was written: plain data that nobody has looked at. */
  readonly head: unknown;
  /** What pages belong to. */
  readonly names: readonly string[];
  /** Pages that are stored for it, each once. */
  readonly stored: number;
  /** Numbers of the pages that belong to `name`, rising. */
  numbers(name: string): Uint32Array;
  /**
   * The pages that belong to `name`, by number. Who keeps one copies it: it lies in a block of many.
   * @throws UserError where one is damaged
   */
  pages(name: string): AsyncGenerator<NumberedPage>;
  /** Reads all that is there. @throws UserError for the first thing that is damaged */
  verify(): Promise<void>;
}
