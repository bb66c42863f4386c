/** Which processors the tests of translation compare: one more entry here, and all of them run on it too. */
import type { ProcessorOptions } from '../../../../src/engine/processor.ts';

export interface TranslationConfiguration {
  readonly label: string;
  /** Given to the processor as they are. */
  readonly settings: Pick<ProcessorOptions, 'engine'> & Partial<ProcessorOptions>;
  /** A run is cut into slices of 1 to so many instructions, each fourth of 1 to 4; 0: it is not cut. */
  readonly largestSlice: number;
}

/** Says what is right. It is slow, and so of most programs runs only the beginning. */
export const REFERENCE: TranslationConfiguration = {
  label: 'reference',
  settings: { engine: 'reference' },
  largestSlice: 0,
};

/** Of most programs: some dozen rounds of a loop. Set it to Infinity now and then. */
export const REFERENCE_INSTRUCTIONS = 1499;

/** All are compared with the first. */
export const COMPARED: readonly TranslationConfiguration[] = [
  { label: 'interpreter', settings: { engine: 'interpreter' }, largestSlice: 0 },
  { label: 'translated', settings: { engine: 'jit' }, largestSlice: 0 },
  { label: 'translated, cut', settings: { engine: 'jit' }, largestSlice: 300 },
  {
    label: 'translated, one instruction a region',
    settings: { engine: 'jit', translation: { firstInstructions: 1, regionInstructions: 1 } },
    largestSlice: 0,
  },
  { label: 'translated, chained', settings: { engine: 'jit', translation: { chained: true } }, largestSlice: 500 },
  { label: 'translated later', settings: { engine: 'jit', translation: { threshold: 5, batch: 3 } }, largestSlice: 0 },
  {
    label: 'translated anew',
    settings: { engine: 'jit', translation: { firstInstructions: 8, worth: 50, lookAfter: 100, strays: 5 } },
    largestSlice: 200,
  },
  { label: 'interpreter, cut', settings: { engine: 'interpreter' }, largestSlice: 60 },
];
