/** Regions as a module: one function each, exported as `r0`, `r1`, …. */
import { MODE } from '../../../cpu/mode-key.ts';
import { I32 } from '../../../wasm/code-writer.ts';
import { ModuleBuilder } from '../../../wasm/module-builder.ts';
import { REGION_TABLE_SIZE } from '../../blocks/region-entry.ts';
import { COLD_PARAMETERS } from '../../interpreter/cold-lowering.ts';
import { importNumberFunctions, type NumberFunctions } from '../../lowering/x87/number-functions.ts';
import { CALL_INTERPRETER } from './call-interpreter.ts';
import { CHAIN, type LoweredRegion, REGION_PARAMETERS } from './region-lowering.ts';

export interface NamedRegion extends LoweredRegion {
  /** What profiles call it. */
  readonly name: string;
}

/** Of a region's function. */
const REGION_TYPE = { parameters: REGION_PARAMETERS, results: [I32] } as const;

export const regionExport = (index: number): string => `r${index}`;

/** A module to be: what regions call, which they need to know while they are lowered, then their functions. */
export class RegionModule {
  readonly #module = new ModuleBuilder();
  #numberFunctions: NumberFunctions | undefined;

  readonly chained: boolean;

  /** It imports `memory` and `callCold`; and `regions` where they are chained. */
  constructor({ maximumPages, chained }: { readonly maximumPages: number; readonly chained: boolean }) {
    this.chained = chained;
    this.#module.importMemory('memory', { minimumPages: 1, maximumPages });
    if (chained) {
      const table = this.#module.importTable('regions', REGION_TABLE_SIZE);
      const type = this.#module.type(REGION_TYPE);
      if (table !== CHAIN.TABLE || type !== CHAIN.TYPE) throw new TypeError('what chains regions is declared first');
    }
    const index = this.#module.importFunction('callCold', { parameters: COLD_PARAMETERS, results: [I32] });
    if (index !== CALL_INTERPRETER) throw new TypeError('the interpreter is imported first');
  }

  /** What x87 code calls. Once it has been asked for, the module imports it. */
  readonly numberFunctions = (): NumberFunctions => (this.#numberFunctions ??= importNumberFunctions(this.#module));

  get callsEmittedFunctions(): boolean {
    return this.#numberFunctions !== undefined;
  }

  /** Bytes of the module with these regions. */
  finish(regions: readonly NamedRegion[]): Uint8Array<ArrayBuffer> {
    const module = this.#module;
    regions.forEach(({ code, name }, index) => {
      const declared = module.declare(REGION_TYPE, name);
      module.define(declared, code);
      module.export(regionExport(index), declared);
    });
    return module.finish();
  }
}

/** Whether regions can be made of code in a mode: flat segments, 32 bits. */
export const canTranslateIn = (modeKey: number): boolean => {
  const wanted = MODE.FLAT | MODE.CODE32 | MODE.STACK32;
  return (modeKey & (wanted | MODE.CODE64)) === wanted;
};
