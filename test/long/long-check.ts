/**
 * A check that takes long, by name: see `main.ts`.
 * @param words its arguments @param refuse ends the process, as an argument is wrong or something is missing
 * @returns whether all is well
 */
export type LongCheck = (words: readonly string[], refuse: (problem: string) => never) => Promise<boolean>;
