/** Assembled code as the finder of regions sees it: what the interpreter would have run of it, without an interpreter. */
import { PAGE_SIZE } from '../../src/base/address.ts';
import { MODE } from '../../src/cpu/mode-key.ts';
import { BlockDecoder, decodeMode } from '../../src/engine/blocks/block-decoder.ts';
import type { Region } from '../../src/engine/jit/finder/region.ts';
import { findRegion, type SourceBlocks, type SourceInstruction } from '../../src/engine/jit/finder/region-finder.ts';
import { BoundForms } from '../../src/engine/jit/forms/bound-forms.ts';
import { assemble } from '../../src/isa/assemble.ts';
import { sharedCode } from './shared-code.ts';

const FLAT_MODE = MODE.FLAT | MODE.CODE32 | MODE.STACK32;
/** Of the first byte of the code, a page's start. */
export const CODE_BASE = 0x10_0000;
/** Number of the physical page that an offset of 0 is in. */
export const FIRST_PHYSICAL = 0x300;

export interface RegionCodeOptions {
  /** Labels of code that was never run. */
  readonly cold?: readonly string[];
  /** Labels of instructions that the interpreter is to do. */
  readonly called?: readonly string[];
  /** By label of a computed jump: labels to which it was seen to go. */
  readonly targets?: Readonly<Record<string, readonly string[]>>;
  /** Label in the page that offsets are counted from; default: the first. */
  readonly base?: string;
}

export class RegionCode implements SourceBlocks {
  readonly labels: ReadonlyMap<string, number>;
  readonly bytes: Uint8Array;
  /** Linear address of the page that offsets are counted from. */
  readonly base: number;
  readonly calls: ReadonlySet<number>;
  readonly #cold: ReadonlySet<number>;
  readonly #targets: ReadonlyMap<number, readonly number[]>;
  readonly #forms = new BoundForms();
  readonly #decoder: BlockDecoder;

  constructor(source: string, { cold = [], called = [], targets = {}, base }: RegionCodeOptions = {}) {
    const { bytes, labels } = assemble(`bits 32\n${source}`, { origin: CODE_BASE });
    this.bytes = bytes;
    this.labels = labels;
    this.base = base === undefined ? CODE_BASE : Math.floor(this.address(base) / PAGE_SIZE) * PAGE_SIZE;
    this.calls = new Set(called.map((name) => this.offset(name)));
    this.#cold = new Set(cold.map((name) => this.offset(name)));
    this.#targets = new Map(
      Object.entries(targets).map(([jump, names]) => [this.offset(jump), names.map((name) => this.offset(name))]),
    );
    const { decoder, library } = sharedCode();
    this.#decoder = new BlockDecoder(
      decoder,
      () => true,
      (instruction, mode) => {
        const form = library.catalog.formOf(instruction, mode);
        return form.endsBlock || form.repeat !== 'none';
      },
    );
  }

  address(label: string): number {
    const address = this.labels.get(label);
    if (address === undefined) throw new Error(`no label ${label}`);
    return address;
  }

  /** Of a label, from the base. */
  offset(label: string): number {
    return this.address(label) - this.base;
  }

  /** The label at an offset, or the offset. */
  name(offset: number): string {
    for (const [name, address] of this.labels) if (address === this.base + offset) return name;
    return String(offset);
  }

  /** @throws Error if there is none */
  region(label: string, limit = 200): Region {
    const region = this.find(label, limit);
    if (!region) throw new Error(`no region from ${label}`);
    return region;
  }

  find(label: string, limit = 200): Region | undefined {
    return findRegion(this.offset(label), this, { instructions: limit, dispatching: 3 * limit });
  }

  targets(offset: number): readonly number[] {
    return this.#targets.get(offset) ?? [];
  }

  at(offset: number): number {
    const within = offset + this.base - CODE_BASE;
    return within < 0 || within >= this.bytes.length || this.#cold.has(offset) ? 0 : this.base + offset;
  }

  page(offset: number): number {
    return FIRST_PHYSICAL + Math.floor(offset / PAGE_SIZE);
  }

  instructions(block: number, offset: number): readonly SourceInstruction[] {
    const start = block - CODE_BASE;
    const source = {
      pageBytes: (page: number) => {
        const bytes = new Uint8Array(PAGE_SIZE);
        bytes.set(this.bytes.subarray(page * PAGE_SIZE, (page + 1) * PAGE_SIZE));
        return bytes;
      },
      watch: () => {},
      nextPage: () => Math.floor(start / PAGE_SIZE) + 1,
      // What lies behind the code is no code.
      limit: this.bytes.length - start,
      stops: new Set<number>(),
    };
    const found: SourceInstruction[] = [];
    for (const { decoded, offset: at, length } of this.#decoder.decode(start, FLAT_MODE, source, 64)!.instructions) {
      if (!decoded) break;
      const { statements, endsBlock, repeat } = sharedCode().library.catalog.formOf(decoded, decodeMode(FLAT_MODE));
      const from = start - (start % PAGE_SIZE) + at;
      const form = this.#forms.of(this.bytes.subarray(from, from + length), statements, decoded);
      const isRepeated = repeat !== 'none';
      found.push({ offset: offset + from - start, length, form, endsBlock, isFused: false, isRepeated });
    }
    return found;
  }
}
