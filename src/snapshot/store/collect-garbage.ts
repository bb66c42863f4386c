/** Takes out of a store what no snapshot refers to. Under the store's lock. */
import { UserError } from '../../base/errors.ts';
import { DIGEST_BYTES } from '../codec.ts';
import { PAGES_A_BLOCK } from '../layout.ts';
import { PageFileWriter } from '../page-file-writer.ts';
import type { SnapshotFile } from '../snapshot-file.ts';
import type { StoreFolder } from './store-folder.ts';
import { hex } from './store-layout.ts';
import { openPack, readManifest, type StoreReaderOptions } from './stored-snapshot.ts';

/** A pack of which less is needed is written anew. */
const LIVE_SHARE = 1 / 2;

/**
 * Whole packs, and of others blocks, if that gives enough. What is killed in between leaves more garbage, and nothing else.
 * @returns why it was not done, in a line: who refers to what is not known of a snapshot that cannot be read
 */
export async function collectGarbage(folder: StoreFolder, options: StoreReaderOptions): Promise<string | undefined> {
  const needed = new Map<string, Set<number>>();
  for (const { name } of folder.list('snapshots')) {
    try {
      const { manifest, maps } = await readManifest(folder, name, options);
      const used = manifest.packs.map((digest) => {
        const pack = hex(digest);
        const blocks = needed.get(pack) ?? new Set<number>();
        needed.set(pack, blocks);
        return blocks;
      });
      for (const { packs, pages } of maps.values())
        for (const [index, page] of pages.entries()) used[packs[index]].add(Math.floor(page / PAGES_A_BLOCK));
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      return `pages that nobody needs are left where they are: snapshot ${name} cannot be read (${error.message})`;
    }
    await options.rest?.();
  }
  for (const { name } of folder.list('packs')) {
    const blocks = needed.get(name);
    if (blocks === undefined) folder.remove('packs', name);
    else await thinOut(folder, { name, blocks }, options);
  }
  return undefined;
}

async function thinOut(
  folder: StoreFolder,
  { name, blocks }: { readonly name: string; readonly blocks: ReadonlySet<number> },
  options: StoreReaderOptions,
): Promise<void> {
  const opened = await openPack(folder, name, options).catch((error: unknown) => {
    // It is damaged: whoever needs it is told when he reads it.
    if (error instanceof UserError) return undefined;
    throw error;
  });
  if (opened === undefined) return;
  const { file, source } = opened;
  try {
    const count = Math.ceil(file.stored / PAGES_A_BLOCK);
    let present = 0;
    for (let block = 0; block < count; block++) if (file.holds(block * PAGES_A_BLOCK)) present++;
    if (blocks.size >= present * LIVE_SHARE) return;
    const written = folder.create('packs');
    try {
      await copyBlocks(
        file,
        { blocks, count },
        new PageFileWriter({ ...options, write: (bytes) => written.write(bytes) }),
      );
      written.finish(name);
    } catch (error) {
      written.abandon();
      if (!(error instanceof UserError)) throw error;
    }
  } finally {
    source.close();
  }
}

async function copyBlocks(
  file: SnapshotFile,
  { blocks, count }: { readonly blocks: ReadonlySet<number>; readonly count: number },
  writer: PageFileWriter,
): Promise<void> {
  const { digests } = file;
  for (let block = 0; block < count; block++) {
    const from = block * PAGES_A_BLOCK * DIGEST_BYTES;
    const packed = blocks.has(block) ? await file.packedBlock(block) : new Uint8Array(0);
    await writer.addPacked(packed, digests.subarray(from, from + PAGES_A_BLOCK * DIGEST_BYTES));
  }
  await writer.finish({ kind: 'pack' });
}
