/** The interpreter's blocks, as the finder of regions wants them: the page's, with their instructions bound. */
import { PAGE_SIZE } from '../../base/address.ts';
import type { Value } from '../../ir/value.ts';
import type { ValueInterner } from '../../ir/value-interner.ts';
import { forEachStatement, resultsOf } from '../../ir/visit.ts';
import { bindForm } from '../../isa/bind-form.ts';
import type { CodeSource } from '../blocks/block-decoder.ts';
import type { BlockCache } from '../interpreter/block-cache.ts';
import type { FormStatement } from '../lowering/form-lowering.ts';
import { BASE } from './region.ts';
import type { SourceBlocks, SourceInstruction } from './region-finder.ts';
import type { TranslationOptions } from './translation-options.ts';

/** A block belongs to a region if it was entered this part of the times that make one hot. */
const WARM = 1 / 64;

export class RegionSource {
  readonly #blocks: BlockCache;
  readonly #code: CodeSource;
  readonly #options: TranslationOptions;

  constructor(blocks: BlockCache, code: CodeSource, options: TranslationOptions) {
    this.#blocks = blocks;
    this.#code = code;
    this.#options = options;
  }

  /** The blocks of the page, and for the mode, of one of them. Temporaries of all their instructions are different. */
  around(block: number, interner: ValueInterner): SourceBlocks {
    const blocks = this.#blocks;
    const { index } = blocks;
    const key = index.key(block);
    const page = Math.floor(key / 16 / PAGE_SIZE);
    const coolest = this.#options.threshold - 1 - Math.floor(this.#options.threshold * WARM);
    let firstTemporary = 0;
    const bound = (statements: readonly FormStatement[], instruction: Parameters<typeof bindForm>[1], ip: Value) => {
      const result = bindForm(statements, instruction, ip, { interner, firstTemporary });
      forEachStatement(result, (one) => {
        for (const { id } of resultsOf(one)) firstTemporary = Math.max(firstTemporary, id + 1);
      });
      return result;
    };
    return {
      at(offset) {
        const found = blocks.known((page * PAGE_SIZE + offset) * 16 + (key % 16));
        const isWarm = found === block || index.region(found) !== 0 || index.heat(found) <= coolest;
        return found !== 0 && isWarm ? found : 0;
      },
      instructions: (found) =>
        blocks.instructions(found, this.#code).map(({ decoded, form, offset, length, record }): SourceInstruction => {
          const ip = interner.intern({
            op: 'add',
            width: 32,
            args: [
              { op: 'input', width: 32, name: BASE },
              { op: 'constant', width: 32, value: BigInt(offset) },
            ],
          });
          const statements = decoded ? bound(form.statements, decoded, ip) : form.statements;
          const special = !decoded ? 'fault' : form.repeat !== 'none' ? 'repeated' : 'none';
          return { offset, length, statements, record, special, endsBlock: form.endsBlock };
        }),
    };
  }
}
