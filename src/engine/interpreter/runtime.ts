/**
 * Compiled code of the interpreter, shared by all CPUs of a pool: the loop (one module per code width), the memory
 * functions, and the cold functions, which are compiled when a block first needs them.
 */
import { HELPERS, type Helper, type HelperValue } from '../../cpu/helpers.ts';
import { STATE } from '../../cpu/state-layout.ts';
import type { InstructionRow } from '../../isa/instruction.ts';
import type { Pool } from '../../memory/pool.ts';
import { I32 } from '../../wasm/code-writer.ts';
import { ModuleBuilder } from '../../wasm/module-builder.ts';
import { COLD_PARAMETERS, lowerCold } from './cold-lowering.ts';
import { type CatalogForm, FormCatalog } from './form-catalog.ts';
import {
  ACCESS_KINDS,
  ACCESS_WIDTHS,
  accessName,
  accessType,
  BULK_TYPE,
  buildMemoryFunctions,
} from './memory-functions.ts';
import { buildRunModule } from './run-module.ts';

/** What emitted code calls back: the interpreter of the CPU that runs. */
export interface EmittedCodeHost {
  lookUp(): number;
  partial(record: number, budget: number): number;
  slow(access: number): void;
  slowSegment(segment: number, offset: number, access: number): void;
  raise(vector: number, errorCode: number, cause: string): void;
  callHelper(call: HelperCall): boolean;
}

/** A call site's helper with the widths of what it passes. */
export interface HelperCall {
  readonly helper: (cpu: never, ...args: HelperValue[]) => ReturnType<Helper>;
  readonly argumentWidths: readonly number[];
  readonly resultWidths: readonly number[];
}

export interface RuntimeOptions {
  /** Compiles the loop's module; a host may know how to have it optimised at once. */
  readonly compileLoop?: (bytes: Uint8Array<ArrayBuffer>) => WebAssembly.Module;
}

/** All that a 32-bit module may declare. */
const MAXIMUM_PAGES = 65536;
const TABLE_SIZE = 1 << 14;
/** Where the jump cache lies from the state block. */
export const JUMP_CACHE_OFFSET = STATE.size;

type RunFunction = (state: number) => number;

export class InterpreterRuntime {
  readonly catalog: FormCatalog;
  /** The interpreter whose CPU is running now. */
  active!: EmittedCodeHost;
  readonly #pool: Pool;
  readonly #table = new WebAssembly.Table({ element: 'anyfunc', initial: TABLE_SIZE, maximum: TABLE_SIZE });
  readonly #options: RuntimeOptions;
  readonly #runs: { narrow?: RunFunction; wide?: RunFunction } = {};
  readonly #memoryFunctions: { narrow?: WebAssembly.Exports; wide?: WebAssembly.Exports } = {};
  readonly #causes: string[] = [];
  readonly #helperCalls: HelperCall[] = [];
  readonly #helperNumbers = new Map<string, number>();

  constructor(pool: Pool, rows: readonly InstructionRow[], options: RuntimeOptions = {}) {
    this.#pool = pool;
    this.#options = options;
    this.catalog = new FormCatalog(rows);
  }

  /** Runs from `state.ip`; see `EXIT`. */
  run(state: number, options: { wide: boolean }): number {
    const width = options.wide ? 'wide' : 'narrow';
    this.#runs[width] ??= this.#buildRun(options.wide);
    return this.#runs[width](state);
  }

  /** Puts the functions of these forms into the table. */
  compile(forms: readonly CatalogForm[]): void {
    for (const wide of [false, true]) {
      const missing = [...new Set(forms.filter((form) => !form.compiled && form.wide === wide))];
      if (missing.length > 0) this.#compileColdModule(missing, wide);
    }
  }

  /** The handler for two records in a row, if there is one; where it can't go on, the function of the first does. */
  pairHandler(form: CatalogForm, first: number, second: number): number | undefined {
    const pair = this.catalog.pairOf(first, second);
    if (pair !== undefined && this.#table.get(pair) === null) this.#table.set(pair, this.#table.get(form.number));
    return pair;
  }

  #buildRun(wide: boolean): RunFunction {
    const bytes = buildRunModule({
      wide,
      maximumPages: MAXIMUM_PAGES,
      tableSize: TABLE_SIZE,
      hotHandlers: wide ? [] : this.catalog.hotHandlers,
      jumpCache: JUMP_CACHE_OFFSET,
    });
    const compile = this.#options.compileLoop ?? ((code) => new WebAssembly.Module(code));
    const instance = new WebAssembly.Instance(compile(bytes), {
      host: {
        memory: this.#pool.memory,
        table: this.#table,
        lookUp: () => this.active.lookUp(),
        partial: (_state: number, record: number, budget: number) => this.active.partial(record >>> 0, budget >>> 0),
      },
    });
    return instance.exports.run as RunFunction;
  }

  #accessFunctions(wide: boolean): WebAssembly.Exports {
    const width = wide ? 'wide' : 'narrow';
    this.#memoryFunctions[width] ??= new WebAssembly.Instance(
      new WebAssembly.Module(buildMemoryFunctions({ wide, maximumPages: MAXIMUM_PAGES })),
      {
        host: {
          memory: this.#pool.memory,
          slow: (_state: number, access: number) => this.active.slow(access),
          slowSegment: (segment: number, offset: number, access: number) =>
            this.active.slowSegment(segment >>> 0, offset >>> 0, access),
        },
      },
    ).exports;
    return this.#memoryFunctions[width];
  }

  #compileColdModule(forms: readonly CatalogForm[], wide: boolean): void {
    const module = new ModuleBuilder();
    module.importMemory('memory', { minimumPages: 1, maximumPages: MAXIMUM_PAGES });
    const accesses: Record<string, Record<number, number>> = { load: {}, modify: {}, store: {} };
    for (const kind of ACCESS_KINDS) {
      for (const width of ACCESS_WIDTHS) {
        accesses[kind]![width] = module.importFunction(accessName(kind, width), accessType(kind, width, { wide }));
      }
    }
    const imports = {
      load: accesses.load!,
      modify: accesses.modify!,
      store: accesses.store!,
      helper: module.importFunction('helper', { parameters: [I32, I32], results: [I32] }),
      bulk: wide ? undefined : module.importFunction('bulk', BULK_TYPE),
      raise: module.importFunction('raise', { parameters: [I32, I32, I32, I32], results: [] }),
    };
    const environment = {
      imports,
      helperNumber: (name: string, args: readonly number[], results: readonly number[]) =>
        this.#helperNumber(name, args, results),
      causeNumber: (cause: string) => this.#causes.push(cause) - 1,
    };
    forms.forEach((form, index) => {
      const declared = module.declare({ parameters: COLD_PARAMETERS, results: [I32] });
      module.define(declared, lowerCold(form, environment, { wide }));
      module.export(`form${index}`, declared);
    });
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.finish()), {
      host: {
        memory: this.#pool.memory,
        ...this.#accessFunctions(wide),
        helper: (_state: number, number: number) => (this.active.callHelper(this.#helperCalls[number]!) ? 1 : 0),
        raise: (_state: number, vector: number, errorCode: number, cause: number) =>
          this.active.raise(vector, errorCode, this.#causes[cause]!),
      },
    });
    forms.forEach((form, index) => {
      const compiled = exports[`form${index}`];
      this.#table.set(form.number, compiled);
      if (form.hotNumber !== undefined) this.#table.set(form.hotNumber, compiled);
      form.compiled = true;
    });
  }

  #helperNumber(name: string, argumentWidths: readonly number[], resultWidths: readonly number[]): number {
    const key = `${name} ${argumentWidths} ${resultWidths}`;
    let number = this.#helperNumbers.get(key);
    if (number === undefined) {
      const helper = (HELPERS as Record<string, unknown>)[name] as HelperCall['helper'] | undefined;
      if (!helper) throw new TypeError(`no helper ${name}`);
      number = this.#helperCalls.push({ helper, argumentWidths, resultWidths }) - 1;
      this.#helperNumbers.set(key, number);
    }
    return number;
  }
}
