/** What a helper takes and gives: widths in bits; 'pointer' is 32, or 64 in 64-bit mode. */
export type HelperWidth = 1 | 8 | 16 | 32 | 64 | 'pointer';
export interface HelperSignature {
  readonly args: readonly HelperWidth[];
  readonly results: readonly HelperWidth[];
}

export const signature = (args: readonly HelperWidth[], results: readonly HelperWidth[] = []): HelperSignature => ({
  args,
  results,
});
