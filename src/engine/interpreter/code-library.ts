/**
 * What the interpreter compiles, without a memory to work on: the loop (one module per code width), the memory
 * functions, and the cold functions, each of which is compiled when it is first called. Whoever runs the same code gets
 * the same modules, so that a second guest costs no compilation. It knows no pool and no guest: runtimes make instances.
 */
import { HELPERS } from '../../cpu/helpers.ts';
import { STATE } from '../../cpu/state-layout.ts';
import type { InstructionRow } from '../../isa/instruction.ts';
import { I32 } from '../../wasm/code-writer.ts';
import { ModuleBuilder } from '../../wasm/module-builder.ts';
import { buildEmittedHelpers, createEmittedCallWriter, needsEmittedModule } from '../lowering/emitted-helpers.ts';
import { buildHandlerEntryModule } from '../lowering/system/handler-entry-module.ts';
import { COLD_PARAMETERS, helpersOf, lowerCold } from './cold-lowering.ts';
import { buildFirstCall } from './first-call.ts';
import { type CatalogForm, FormCatalog } from './form-catalog.ts';
import { type AnyHelper, createHelperCall, type HelperCall } from './helper-call.ts';
import { buildRunModule } from './loop/run-module.ts';
import { ACCESS_KINDS, ACCESS_WIDTHS, accessName, accessType, buildMemoryFunctions } from './memory-functions.ts';

/** Modules that are the same wherever they are made: whoever has them need not make them. By code width, where there are two. */
export interface FixedModules {
  readonly loops: ReadonlyMap<boolean, WebAssembly.Module>;
  readonly memoryFunctions: ReadonlyMap<boolean, WebAssembly.Module>;
  readonly emittedHelpers: ReadonlyMap<boolean, WebAssembly.Module>;
}

export interface CodeLibraryOptions {
  /** Compiles the loop's module; a host may know how to have it optimised at once. */
  readonly compileLoop?: ((bytes: Uint8Array<ArrayBuffer>) => WebAssembly.Module) | undefined;
  /** Compiles a module of translated regions. */
  readonly compileRegions?: ((bytes: Uint8Array<ArrayBuffer>) => WebAssembly.Module) | undefined;
  /** Regions call each other in their own place: right where that is cheaper than to return and be called. Default false. */
  readonly chainRegions?: boolean | undefined;
  /** Of another library, made with the same options: also in another thread. */
  readonly fixedModules?: FixedModules | undefined;
}

/** All that a 32-bit module may declare. */
const MAXIMUM_PAGES = 65536;
/** Functions by form: more than all forms and handlers of the loop together (a test counts them: no guest can fill it). */
export const TABLE_SIZE = 1 << 14;
/** Where the jump cache lies from the state block. */
const JUMP_CACHE_OFFSET = STATE.size;
/** Cold functions' modules that are kept for the next guest that calls them. */
const MOST_COLD_MODULES = 4096;

export class CodeLibrary {
  readonly catalog: FormCatalog;
  /** Helpers and causes by the numbers that emitted code passes. */
  readonly helperCalls: HelperCall[] = [];
  readonly causes: string[] = [];
  readonly #compileLoop: (bytes: Uint8Array<ArrayBuffer>) => WebAssembly.Module;
  /** Compiles a module of translated regions; nothing is kept of it here. */
  readonly regions: (bytes: Uint8Array<ArrayBuffer>) => WebAssembly.Module;
  readonly chainsRegions: boolean;
  readonly #loops: Map<boolean, WebAssembly.Module>;
  readonly #memoryFunctions: Map<boolean, WebAssembly.Module>;
  #firstCall: WebAssembly.Module | undefined;
  readonly #emittedHelpers: Map<boolean, WebAssembly.Module>;
  #handlerEntry: WebAssembly.Module | undefined;
  readonly #coldModules = new Map<CatalogForm, WebAssembly.Module>();
  readonly #helperNumbers = new Map<string, number>();
  readonly #causeNumbers = new Map<string, number>();

  constructor(rows: readonly InstructionRow[], options: CodeLibraryOptions = {}) {
    this.catalog = new FormCatalog(rows);
    this.#compileLoop = options.compileLoop ?? ((bytes) => new WebAssembly.Module(bytes));
    this.chainsRegions = options.chainRegions ?? false;
    this.regions = options.compileRegions ?? ((bytes) => new WebAssembly.Module(bytes));
    this.#loops = new Map(options.fixedModules?.loops);
    this.#memoryFunctions = new Map(options.fixedModules?.memoryFunctions);
    this.#emittedHelpers = new Map(options.fixedModules?.emittedHelpers);
  }

  /** Those that have been made. */
  get fixedModules(): FixedModules {
    return { loops: this.#loops, memoryFunctions: this.#memoryFunctions, emittedHelpers: this.#emittedHelpers };
  }

  /** See `buildRunModule`. */
  loop(options: { readonly wide: boolean }): WebAssembly.Module {
    return remember(this.#loops, options.wide, () =>
      this.#compileLoop(
        buildRunModule({
          wide: options.wide,
          maximumPages: MAXIMUM_PAGES,
          tableSize: TABLE_SIZE,
          hotHandlers: options.wide ? [] : this.catalog.hotHandlers,
          jumpCache: JUMP_CACHE_OFFSET,
        }),
      ),
    );
  }

  /** See `buildFirstCall`. */
  firstCall(): WebAssembly.Module {
    this.#firstCall ??= new WebAssembly.Module(buildFirstCall({ maximumPages: MAXIMUM_PAGES }));
    return this.#firstCall;
  }

  /** Imports `memory`, `slow`, `slowSegment`; exports an access function for each kind and width. */
  memoryFunctions({ wide }: { readonly wide: boolean }): WebAssembly.Module {
    return remember(
      this.#memoryFunctions,
      wide,
      () => new WebAssembly.Module(buildMemoryFunctions({ wide, maximumPages: MAXIMUM_PAGES })),
    );
  }

  /** Imports `memory`; exports what the emitted code of helpers calls. */
  emittedHelpers({ wide }: { readonly wide: boolean }): WebAssembly.Module {
    return remember(
      this.#emittedHelpers,
      wide,
      () => new WebAssembly.Module(buildEmittedHelpers({ wide, maximumPages: MAXIMUM_PAGES })),
    );
  }

  /** See `buildHandlerEntryModule`. */
  get handlerEntry(): WebAssembly.Module {
    return (this.#handlerEntry ??= new WebAssembly.Module(buildHandlerEntryModule({ maximumPages: MAXIMUM_PAGES })));
  }

  /** Whether the cold function of a form imports any of `emittedHelpers`. */
  needsEmittedHelpers({ statements }: CatalogForm): boolean {
    return [...helpersOf(statements)].some(needsEmittedModule);
  }

  /** Imports `memory`, the access functions, `helper`, `raise`, what emitted code calls; exports `form`. */
  coldFunction(form: CatalogForm): WebAssembly.Module {
    // A guest could call more than any system does: beyond that, nothing more is kept.
    if (this.#coldModules.size >= MOST_COLD_MODULES && !this.#coldModules.has(form)) return this.#compile(form);
    return remember(this.#coldModules, form, () => this.#compile(form));
  }

  #compile(form: CatalogForm): WebAssembly.Module {
    const { wide } = form;
    const module = new ModuleBuilder();
    module.importMemory('memory', { minimumPages: 1, maximumPages: MAXIMUM_PAGES });
    const accesses: Record<string, Record<number, number>> = { load: {}, modify: {}, store: {} };
    for (const kind of ACCESS_KINDS) {
      for (const width of ACCESS_WIDTHS) {
        accesses[kind][width] = module.importFunction(accessName(kind, width), accessType(kind, width, { wide }));
      }
    }
    const imports = {
      load: accesses.load!,
      modify: accesses.modify!,
      store: accesses.store!,
      helper: module.importFunction('helper', { parameters: [I32, I32], results: [I32] }),
      raise: module.importFunction('raise', { parameters: [I32, I32, I32, I32], results: [] }),
    };
    const environment = {
      imports,
      writeEmittedCall: createEmittedCallWriter(module, { imports: this.needsEmittedHelpers(form) }),
      helperNumber: (name: string, args: readonly number[], results: readonly number[]) =>
        this.#helperNumber(name, args, results),
      causeNumber: (cause: string) => remember(this.#causeNumbers, cause, () => this.causes.push(cause) - 1),
    };
    const declared = module.declare({ parameters: COLD_PARAMETERS, results: [I32] }, nameOf(form));
    module.define(declared, lowerCold(form, environment, { wide }));
    module.export('form', declared);
    return new WebAssembly.Module(module.finish());
  }

  #helperNumber(name: string, argumentWidths: readonly number[], resultWidths: readonly number[]): number {
    return remember(this.#helperNumbers, `${name} ${argumentWidths} ${resultWidths}`, () => {
      const helper = (HELPERS as Record<string, unknown>)[name] as AnyHelper | undefined;
      if (!helper) throw new TypeError(`no helper ${name}`);
      return this.helperCalls.push(createHelperCall({ name, helper }, argumentWidths, resultWidths)) - 1;
    });
  }
}

/** What profiles call a form's function. */
function nameOf({ key, count, number }: CatalogForm): string {
  if (!key) return count === 2 ? `fused ${number}` : `fault ${number}`;
  const { row, encoding, memory, operandSize } = key;
  return `${row.mnemonic} ${encoding.join(' ')}${memory ? ', memory' : ''}, ${operandSize} bits`;
}

/** The entry of a map, made when it is first wanted. */
function remember<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
