/** Regions as a module: one function each, exported as `r0`, `r1`, …. */
import { MODE } from '../../cpu/mode-key.ts';
import { I32 } from '../../wasm/code-writer.ts';
import { ModuleBuilder } from '../../wasm/module-builder.ts';
import { type LoweredRegion, REGION_PARAMETERS } from './region-lowering.ts';

export interface NamedRegion extends LoweredRegion {
  /** What profiles call it. */
  readonly name: string;
}

export const regionExport = (index: number): string => `r${index}`;

/** Bytes of the module. It imports `memory`. */
export function buildRegionModule(
  regions: readonly NamedRegion[],
  { maximumPages }: { readonly maximumPages: number },
): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  module.importMemory('memory', { minimumPages: 1, maximumPages });
  regions.forEach(({ code, name }, index) => {
    const declared = module.declare({ parameters: REGION_PARAMETERS, results: [I32] }, name);
    module.define(declared, code);
    module.export(regionExport(index), declared);
  });
  return module.finish();
}

/** Whether regions can be made of code in a mode: flat segments, 32 bits. */
export const canTranslateIn = (modeKey: number): boolean => {
  const wanted = MODE.FLAT | MODE.CODE32 | MODE.STACK32;
  return (modeKey & (wanted | MODE.CODE64)) === wanted;
};
