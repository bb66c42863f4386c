/** When code is translated, and how much at once. */
export interface TranslationOptions {
  /** Times that a block is entered before it is hot. */
  readonly threshold: number;
  /** Most instructions of a region. */
  readonly regionInstructions: number;
  /** Hot blocks that wait for each other, to be compiled together. */
  readonly batch: number;
}

export const DEFAULT_TRANSLATION: TranslationOptions = { threshold: 15000, regionInstructions: 200, batch: 16 };
/** Everything at once: for tests. */
export const EAGER_TRANSLATION: TranslationOptions = { threshold: 1, regionInstructions: 200, batch: 1 };
