/** The interpreter's blocks, as the finder of regions wants them: those of a page, with their instructions bound. */
import { PAGE_SIZE } from '../../../base/address.ts';
import type { CodeSource } from '../../blocks/block-decoder.ts';
import type { BlockCache } from '../../interpreter/block-cache.ts';
import type { BoundForms } from '../forms/bound-forms.ts';
import type { TranslationOptions } from '../translation-options.ts';
import type { JumpTargets } from './jump-targets.ts';
import type { SourceBlocks, SourceInstruction } from './region-finder.ts';

/** Instructions of a region that may be part of others, too. */
const SHORT = 24;
/** Blocks whose instructions are kept; then all are forgotten. */
const MOST_KNOWN = 2000;
/** A block belongs to a region if it was entered this part of the times that make one hot. */
const WARM = 1 / 8;

export interface RegionSourceOptions {
  readonly forms: BoundForms;
  readonly options: TranslationOptions;
  readonly jumpTargets: JumpTargets;
  /** Instructions of the region that is entered with a block. */
  readonly regionSize: (block: number) => number;
}

export class RegionSource {
  readonly #blocks: BlockCache;
  readonly #code: CodeSource;
  readonly #forms: BoundForms;
  readonly #options: TranslationOptions;
  readonly #jumpTargets: JumpTargets;
  readonly #regionSize: (block: number) => number;
  /** Instructions of blocks: most are part of several regions. */
  readonly #known = new Map<number, readonly SourceInstruction[]>();

  constructor(blocks: BlockCache, code: CodeSource, { forms, options, jumpTargets, regionSize }: RegionSourceOptions) {
    this.#blocks = blocks;
    this.#code = code;
    this.#forms = forms;
    this.#options = options;
    this.#jumpTargets = jumpTargets;
    this.#regionSize = regionSize;
  }

  /**
   * The blocks around one, in its mode. `pageAt`: physical pages, by offset from that block's; −1: not
   * known. `joinsRegions`: blocks that are regions by themselves, too.
   */
  around(
    block: number,
    pageAt: (offset: number) => number,
    { joinsRegions, calls }: { readonly joinsRegions: boolean; readonly calls: ReadonlySet<number> },
  ): SourceBlocks {
    const blocks = this.#blocks;
    const { index } = blocks;
    const mode = index.key(block) % 16;
    const page = (offset: number): number => pageAt(Math.floor(offset / PAGE_SIZE) * PAGE_SIZE);
    const coolest = this.#options.threshold - 1 - Math.floor(this.#options.threshold * WARM);
    return {
      at: (offset) => {
        const physical = page(offset);
        if (physical < 0) return 0;
        const found = blocks.known((physical * PAGE_SIZE + (offset & (PAGE_SIZE - 1))) * 16 + mode);
        if (found === 0 || found === block) return found;
        // What is a region by itself is entered, unless it is so short that this would cost more than it does.
        if (index.region(found) !== 0) return joinsRegions || this.#regionSize(found) <= SHORT ? found : 0;
        return index.heat(found) <= coolest ? found : 0;
      },
      instructions: (found, offset) => this.#instructionsFrom(found, page(offset), offset & -PAGE_SIZE),
      page,
      targets: (offset) => {
        const jump = page(offset) * PAGE_SIZE + (offset & (PAGE_SIZE - 1));
        return [...this.#jumpTargets.of(jump)].map((distance) => offset + distance);
      },
      calls,
    };
  }

  /** A block is no more, or all are. */
  forget(block?: number): void {
    if (block === undefined) this.#known.clear();
    else this.#known.delete(block);
  }

  /** `start`: of the page, from the base. */
  #instructionsFrom(block: number, page: number, start: number): readonly SourceInstruction[] {
    let known = this.#known.get(block);
    if (known === undefined) {
      if (this.#known.size >= MOST_KNOWN) this.#known.clear();
      this.#known.set(block, (known = this.#instructions(block, page)));
    }
    return start === 0 ? known : known.map((one) => ({ ...one, offset: start + one.offset }));
  }

  /** Offsets are from the start of the page. */
  #instructions(block: number, page: number): readonly SourceInstruction[] {
    const instructions: SourceInstruction[] = [];
    const bytes = this.#code.pageBytes(page)!;
    for (const { decoded, form, offset, length, isFused } of this.#blocks.instructions(block, this.#code)) {
      if (!decoded) break;
      const bound = this.#forms.of(bytes.subarray(offset, offset + length), form.statements, decoded);
      const { endsBlock } = form;
      instructions.push({
        offset,
        length,
        form: bound,
        endsBlock,
        isFused,
        isRepeated: form.repeat !== 'none',
      });
    }
    return instructions;
  }
}
