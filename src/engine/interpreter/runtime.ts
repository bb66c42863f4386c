/** The interpreter's code at work on one pool's memory, shared by all CPUs of that pool: instances of the library's modules. */
import type { PlainEvent } from '../../cpu/cpu.ts';
import { EFLAGS } from '../../cpu/flags.ts';
import type { Pool } from '../../memory/pool.ts';
import { RegionTable } from '../jit/cache/region-table.ts';
import { BoundForms } from '../jit/forms/bound-forms.ts';
import { DONE } from '../lowering/emitted-function.ts';
import type { HandlerEntryFunctions } from '../lowering/system/handler-entry-module.ts';
import { type CodeLibrary, TABLE_SIZE } from './code-library.ts';
import type { CatalogForm, FormCatalog } from './form-catalog.ts';
import type { HelperCall } from './helper-call.ts';

/** What emitted code calls back: the interpreter of the CPU that runs. */
export interface EmittedCodeHost {
  lookUp(): number;
  partial(record: number, budget: number): number;
  slow(access: number): void;
  slowSegment(segment: number, offset: number, access: number): void;
  raise(vector: number, errorCode: number, cause: string): void;
  callHelper(call: HelperCall): boolean;
  translate(block: number): number;
}

/** What the loop exports. */
interface Loop {
  readonly run: (state: number) => number;
  readonly callCold: CallableFunction;
}

export class InterpreterRuntime {
  /** The interpreter whose CPU is running now. */
  active!: EmittedCodeHost;
  readonly #pool: Pool;
  readonly #library: CodeLibrary;
  /** Functions of records, by handler number. */
  #table: WebAssembly.Table;
  /** Functions of translated regions. */
  regions = new RegionTable();
  readonly boundForms = new BoundForms();
  #loops: { narrow?: Loop; wide?: Loop } = {};
  #memoryFunctions: { narrow?: WebAssembly.Exports; wide?: WebAssembly.Exports } = {};
  #emittedHelpers: { narrow?: WebAssembly.Exports; wide?: WebAssembly.Exports } = {};
  #handlerEntry: HandlerEntryFunctions | undefined;
  readonly #functions = new Map<CatalogForm, CallableFunction>();

  constructor(pool: Pool, library: CodeLibrary) {
    this.#pool = pool;
    this.#library = library;
    this.#table = this.#createTable();
  }

  get catalog(): FormCatalog {
    return this.#library.catalog;
  }

  /** Runs from `state.ip`; see `EXIT`. */
  run(state: number, options: { wide: boolean }): number {
    const width = options.wide ? 'wide' : 'narrow';
    this.#loops[width] ??= this.#createLoop(options.wide);
    return this.#loops[width].run(state);
  }

  /** See `Cpu`. */
  enterPlainHandler(state: number, { vector, errorCode, resume }: PlainEvent): boolean {
    this.#handlerEntry ??= this.#createHandlerEntry();
    const flags = resume ? EFLAGS.RF : 0;
    const { plain, withErrorCode } = this.#handlerEntry;
    const status =
      errorCode === undefined ? plain(state, vector, flags) : withErrorCode(state, vector, flags, errorCode);
    return status === DONE;
  }

  /** Regions are to call each other, where nothing else is said. */
  get chainsRegions(): boolean {
    return this.#library.chainsRegions;
  }

  /**
   * Compiles and links a module of regions. `emitted`: it imports what emitted code for helpers calls.
   * @throws as WebAssembly does, or whatever the host compiles with
   */
  linkRegions(bytes: Uint8Array<ArrayBuffer>, { emitted }: { readonly emitted: boolean }): WebAssembly.Exports {
    const { callCold } = this.#loops.narrow!;
    const functions = emitted && this.#emittedFunctions(false);
    const host = { memory: this.#pool.memory, callCold, regions: this.regions.table, ...functions };
    return new WebAssembly.Instance(this.#library.regions(bytes), { host }).exports;
  }

  /** Makes what every guest needs, the loop above all, so that no run has to wait for its compilation. */
  prepare(): void {
    this.#loops.narrow ??= this.#createLoop(false);
    this.#accessFunctions(false);
  }

  /** Lets go of the pool's memory, which all code at work in it holds. */
  dispose(): void {
    this.#table = new WebAssembly.Table({ element: 'anyfunc', initial: 0 });
    this.regions = new RegionTable();
    this.#loops = {};
    this.#memoryFunctions = {};
    this.#emittedHelpers = {};
    this.#handlerEntry = undefined;
    this.#functions.clear();
  }

  #createHandlerEntry(): HandlerEntryFunctions {
    const instance = new WebAssembly.Instance(this.#library.handlerEntry, { host: { memory: this.#pool.memory } });
    return instance.exports as unknown as HandlerEntryFunctions;
  }

  #createLoop(wide: boolean): Loop {
    const instance = new WebAssembly.Instance(this.#library.loop({ wide }), {
      host: {
        memory: this.#pool.memory,
        table: this.#table,
        regions: this.regions.table,
        translate: (_state: number, block: number) => this.active.translate(block >>> 0),
        lookUp: () => this.active.lookUp(),
        partial: (_state: number, record: number, budget: number) => this.active.partial(record >>> 0, budget >>> 0),
      },
    });
    return instance.exports as unknown as Loop;
  }

  #accessFunctions(wide: boolean): WebAssembly.Exports {
    const width = wide ? 'wide' : 'narrow';
    this.#memoryFunctions[width] ??= new WebAssembly.Instance(this.#library.memoryFunctions({ wide }), {
      host: {
        memory: this.#pool.memory,
        slow: (_state: number, access: number) => this.active.slow(access),
        slowSegment: (segment: number, offset: number, access: number) =>
          this.active.slowSegment(segment >>> 0, offset >>> 0, access),
      },
    }).exports;
    return this.#memoryFunctions[width];
  }

  #emittedFunctions(wide: boolean): WebAssembly.Exports {
    const width = wide ? 'wide' : 'narrow';
    this.#emittedHelpers[width] ??= new WebAssembly.Instance(this.#library.emittedHelpers({ wide }), {
      host: { memory: this.#pool.memory },
    }).exports;
    return this.#emittedHelpers[width];
  }

  /** What no record has called yet is provided when it is. */
  #createTable(): WebAssembly.Table {
    const table = new WebAssembly.Table({ element: 'anyfunc', initial: 0, maximum: TABLE_SIZE });
    const provide = (number: number) => table.set(number, this.#functionOf(this.catalog.numbered(number)));
    const { exports } = new WebAssembly.Instance(this.#library.firstCall(), {
      host: { memory: this.#pool.memory, table, provide },
    });
    table.grow(TABLE_SIZE, exports.firstCall);
    return table;
  }

  #functionOf(form: CatalogForm): CallableFunction {
    let known = this.#functions.get(form);
    if (known === undefined) this.#functions.set(form, (known = this.#link(form)));
    return known;
  }

  #link(form: CatalogForm): CallableFunction {
    const library = this.#library;
    const { wide } = form;
    const { exports } = new WebAssembly.Instance(library.coldFunction(form), {
      host: {
        memory: this.#pool.memory,
        ...this.#accessFunctions(wide),
        ...(library.needsEmittedHelpers(form) && this.#emittedFunctions(wide)),
        helper: (_state: number, number: number) => (this.active.callHelper(library.helperCalls[number]) ? 1 : 0),
        raise: (_state: number, vector: number, errorCode: number, cause: number) =>
          this.active.raise(vector, errorCode, library.causes[cause]),
      },
    });
    return exports.form as CallableFunction;
  }
}
