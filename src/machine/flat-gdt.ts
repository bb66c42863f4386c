/** A descriptor table for guests that start in protected mode: flat segments of 4 GiB, for code and for data. */
const DESCRIPTORS = [0n, 0n, 0x00cf_9a00_0000_ffffn, 0x00cf_9200_0000_ffffn];

/** The selectors are those that Linux's boot protocol wants, and that other loaders use, too. */
export const flatGdt = () => ({
  bytes: new Uint8Array(new BigUint64Array(DESCRIPTORS).buffer),
  codeSelector: 0x10,
  dataSelector: 0x18,
});
