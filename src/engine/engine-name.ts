/** The engines there are. */
export const ENGINES = ['auto', 'jit', 'interpreter', 'reference'] as const;
export type EngineName = (typeof ENGINES)[number];
