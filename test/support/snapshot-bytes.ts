/** Snapshot files in memory. */
import { createSnapshotCodec } from '../../src/host/snapshot-codec.ts';
import type { Codec } from '../../src/snapshot/codec.ts';
import { SnapshotFile, type SnapshotSource } from '../../src/snapshot/snapshot-file.ts';
import { SnapshotContents, writeSnapshot } from '../../src/snapshot/snapshot-writer.ts';

export const PAGE = 4096;

export const bytesSource = (bytes: Uint8Array): SnapshotSource => ({
  size: bytes.length,
  read(offset, length) {
    if (offset < 0 || length < 0 || offset + length > bytes.length) throw new Error('read beyond the end');
    return bytes.slice(offset, offset + length);
  },
});

export interface WrittenMaps {
  readonly [name: string]: readonly { readonly page: number; readonly bytes: Uint8Array }[];
}

export async function snapshotBytes(head: unknown, maps: WrittenMaps = {}, codec: Codec = createSnapshotCodec()) {
  const contents = new SnapshotContents();
  for (const [name, pages] of Object.entries(maps)) contents.add(name, pages);
  const parts: Uint8Array[] = [];
  const length = await writeSnapshot(head, contents, { codec, write: (bytes) => void parts.push(bytes.slice()) });
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

export const openBytes = (bytes: Uint8Array, codec: Codec = createSnapshotCodec()): Promise<SnapshotFile> =>
  SnapshotFile.open(bytesSource(bytes), { codec });

/** A page that differs from those of other seeds. */
export const filledPage = (seed: number): Uint8Array =>
  Uint8Array.from({ length: PAGE }, (_, index) => (index * 7 + seed * 13 + (index >> 5) * seed) & 0xff);

/** All pages that belong to `name`, each as a line. */
export async function pagesOf(file: SnapshotFile, name: string): Promise<string[]> {
  const result: string[] = [];
  for await (const page of file.pages(name)) result.push(pageLine(page));
  return result;
}

export const pageLine = ({ page, bytes }: WrittenMaps[string][number]): string =>
  `${page}: ${Buffer.from(bytes).toString('base64')}`;
