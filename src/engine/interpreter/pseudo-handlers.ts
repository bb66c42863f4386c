/** Handlers that belong to no instruction. */
export const PSEUDO = {
  /** The code was overwritten: look the block up again. */
  STALE: 0,
  /** End of a partial block: the budget is used up. */
  STOP: 1,
  /** End of a block without a control transfer: the next one follows. */
  FALL_THROUGH: 2,
  COUNT: 3,
} as const;
