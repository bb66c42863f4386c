/** Index, in modules of regions, of an imported function: `(state, record) → status` does the record's instruction (`STATUS`). */
export const CALL_INTERPRETER = 0;
