/** When code is translated, and how much at once. */
export interface TranslationOptions {
  /** Times that a block is entered before it is hot. */
  readonly threshold: number;
  /** Most instructions of a region. */
  readonly regionInstructions: number;
  /** And of one that has not yet shown that it is worth more. */
  readonly firstInstructions: number;
  /** And of one with a computed jump that was seen to go to many places, unless it has not shown that either. */
  readonly dispatchingInstructions: number;
  /** Times that a computed jump leaves a region for what it could have, until it is made anew. */
  readonly strays: number;
  /** Instructions retired in a region that show it. */
  readonly worth: number;
  /** Instructions between two looks at whether regions are to be made anew. */
  readonly lookAfter: number;
  /** Hot blocks that wait for each other, to be compiled together. */
  readonly batch: number;
  /** Regions that can be entered at a time. */
  readonly mostRegions: number;
  /** Code of pages that keep changing is translated later and later. */
  readonly cools: boolean;
  /** Regions call each other. Default: as the code library was told. */
  readonly chained?: boolean;
}

export const DEFAULT_TRANSLATION: TranslationOptions = {
  threshold: 40_000,
  regionInstructions: 200,
  firstInstructions: 64,
  dispatchingInstructions: 600,
  strays: 20_000,
  worth: 2_000_000,
  lookAfter: 2_000_000,
  batch: 16,
  mostRegions: 2000,
  cools: true,
};
/** Everything at once: for tests. */
export const EAGER_TRANSLATION: TranslationOptions = {
  threshold: 1,
  regionInstructions: 200,
  firstInstructions: 200,
  dispatchingInstructions: 600,
  strays: 20_000,
  worth: Number.POSITIVE_INFINITY,
  lookAfter: 2_000_000,
  batch: 1,
  mostRegions: 2000,
  cools: true,
};
