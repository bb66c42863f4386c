/** What the corpus' process says to the one that watches it: one JSON text a line. */

export type Report =
  | { readonly at: 'start'; readonly index: number; readonly name: string }
  | { readonly at: 'end'; readonly index: number; readonly findings: readonly string[]; readonly milliseconds: number }
  | { readonly at: 'table'; readonly line: string }
  | { readonly at: 'figures'; readonly figures: Figures }
  | ({ readonly at: 'shares' } & Shares)
  | { readonly at: 'complete' };

export interface Figures {
  readonly programs: number;
  readonly instructions: number;
  readonly runs: number;
  readonly resets: number;
  /** Longest single run, in ms of processor time, and of what. */
  readonly longest: number;
  readonly longestProgram: string;
  /** Highest resident size of the process, in MiB. */
  readonly residentPeak: number;
  readonly processorSeconds: number;
  /** How often what was drawn, and which exceptions were seen. */
  readonly coverage: Readonly<Record<string, number>>;
}

/** The least that a victim got. */
export interface Shares {
  readonly weights: { readonly victim: number; readonly storm: number };
  readonly time: number;
  readonly instructions: number;
  readonly residentPeak: number;
}
