/** The engines there are. */
export const ENGINES = ['interpreter', 'reference'] as const;
export type EngineName = (typeof ENGINES)[number];
