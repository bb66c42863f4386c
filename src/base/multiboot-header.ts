/**
 * Where a file has the header that makes it a kernel for any Multiboot loader.
 * Sources: Multiboot Specification 0.6.96, section 3.1; Multiboot2 Specification 2.0, section 3.1.
 */

export interface MultibootHeader {
  readonly version: 1 | 2;
  /** Its offset in the file. */
  readonly at: number;
  /** Its fields add up to 0, as they must. */
  readonly isSound: boolean;
}

/** "The header must be contained completely within the first so many bytes, and aligned." `fields`: longwords that are summed. */
const VERSIONS = [
  { version: 1, magic: 0x1bad_b002, searched: 8192, alignment: 4, fields: 3 },
  { version: 2, magic: 0xe852_50d6, searched: 32_768, alignment: 8, fields: 4 },
] as const;

/**
 * Of several the first that is sound, of version 1 if there is one; else the first that has the magic number. `image`: the
 * file, or its first 32 KiB.
 */
export function findMultibootHeader(image: Uint8Array): MultibootHeader | undefined {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  let unsound: MultibootHeader | undefined;
  for (const { version, magic, searched, alignment, fields } of VERSIONS) {
    const last = Math.min(image.length, searched) - 4 * fields;
    for (let at = 0; at <= last; at += alignment) {
      if (view.getUint32(at, true) !== magic) continue;
      let sum = 0;
      for (let field = 0; field < fields; field++) sum += view.getUint32(at + 4 * field, true);
      if (sum % 2 ** 32 === 0) return { version, at, isSound: true };
      unsound ??= { version, at, isSound: false };
    }
  }
  return unsound;
}
