/** The interpreter's blocks, as the finder of regions wants them: those of a page, with their instructions bound. */
import { PAGE_SIZE } from '../../base/address.ts';
import type { CodeSource } from '../blocks/block-decoder.ts';
import type { BlockCache } from '../interpreter/block-cache.ts';
import type { BoundForms } from './bound-forms.ts';
import type { SourceBlocks, SourceInstruction } from './region-finder.ts';
import type { TranslationOptions } from './translation-options.ts';

/** A block belongs to a region if it was entered this part of the times that make one hot. */
const WARM = 1 / 64;

export class RegionSource {
  readonly #blocks: BlockCache;
  readonly #code: CodeSource;
  readonly #forms: BoundForms;
  readonly #options: TranslationOptions;

  constructor(
    blocks: BlockCache,
    code: CodeSource,
    { forms, options }: { forms: BoundForms; options: TranslationOptions },
  ) {
    this.#blocks = blocks;
    this.#code = code;
    this.#forms = forms;
    this.#options = options;
  }

  /** The blocks of the page, and for the mode, of one of them. */
  around(block: number): SourceBlocks {
    const blocks = this.#blocks;
    const { index } = blocks;
    const key = index.key(block);
    const page = Math.floor(key / 16 / PAGE_SIZE);
    const coolest = this.#options.threshold - 1 - Math.floor(this.#options.threshold * WARM);
    return {
      at(offset) {
        const found = blocks.known((page * PAGE_SIZE + offset) * 16 + (key % 16));
        if (found === 0 || found === block) return found;
        return index.region(found) !== 0 || index.heat(found) <= coolest ? found : 0;
      },
      instructions: (found) => this.#instructions(found, page),
    };
  }

  #instructions(block: number, page: number): readonly SourceInstruction[] {
    const instructions: SourceInstruction[] = [];
    const bytes = this.#code.pageBytes(page)!;
    for (const { decoded, form, offset, length, record } of this.#blocks.instructions(block, this.#code)) {
      if (!decoded) break;
      const bound = this.#forms.of(bytes.subarray(offset, offset + length), form.statements, decoded);
      const { endsBlock } = form;
      instructions.push({ offset, length, form: bound, record, endsBlock, isRepeated: form.repeat !== 'none' });
    }
    return instructions;
  }
}
