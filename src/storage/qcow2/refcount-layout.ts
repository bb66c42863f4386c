/** How many clusters refcounts need that count their own clusters too. */
import { refcountsPerBlock } from './refcount-block.ts';

export interface RefcountLayout {
  /** Clusters of the refcount table. */
  readonly table: number;
  readonly blocks: number;
}

/**
 * For `used` clusters, those of the layout itself, and the next ones up to a whole block.
 * @param coveredBlocks blocks that exist already and have an entry in the table too
 * @param least clusters of the table, at least
 */
export function layOutRefcounts(
  used: number,
  options: { clusterBytes: number; order: number; coveredBlocks?: number; least?: number },
): RefcountLayout {
  const { clusterBytes, order, coveredBlocks = 0, least = 1 } = options;
  const perBlock = refcountsPerBlock(clusterBytes, order);
  for (let [table, blocks] = [least, 1]; ; ) {
    const next = Math.ceil((used + table + blocks) / perBlock);
    const entries = Math.ceil(((coveredBlocks + next) * 8) / clusterBytes);
    if (next <= blocks && entries <= table) return { table, blocks };
    [table, blocks] = [Math.max(table, entries), Math.max(blocks, next)];
  }
}
