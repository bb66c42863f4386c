/** Assembles a wasm module: types, imports, functions and their names, exports, one table's elements. It knows no x86. */
import { ByteWriter, type CodeWriter, type ValueType } from './code-writer.ts';

export interface FunctionType {
  readonly parameters: readonly ValueType[];
  readonly results: readonly ValueType[];
}

/** Kinds of imports, the element type of tables, and the flag of limits with a maximum. */
const KIND = { function: 0, table: 1, memory: 2 } as const;
const FUNCREF = 0x70;
const HAS_MAXIMUM = 1;
const SECTION = { type: 1, import: 2, function: 3, export: 7, element: 9, code: 10, custom: 0 } as const;
/** The custom section that profilers and stack traces look into, and its part with the functions' names. */
const NAME_SECTION = { name: 'name', functionNames: 1 } as const;

export class ModuleBuilder {
  readonly #types: string[] = [];
  readonly #typeList: FunctionType[] = [];
  /** Name, and the unsigned numbers that describe what is imported (kind first). */
  readonly #imports: { readonly name: string; readonly description: readonly number[] }[] = [];
  readonly #functions: { type: number; body?: Uint8Array }[] = [];
  readonly #exports: { name: string; index: number }[] = [];
  readonly #elements: { at: number; functions: number[] }[] = [];
  /** Names of functions, for people who look at profiles. */
  readonly #names: { readonly index: number; readonly name: string }[] = [];
  #importedFunctions = 0;
  #tables = 0;

  type(type: FunctionType): number {
    const key = `${type.parameters}:${type.results}`;
    const known = this.#types.indexOf(key);
    if (known >= 0) return known;
    this.#types.push(key);
    this.#typeList.push(type);
    return this.#types.length - 1;
  }

  /** Imports under module name "host". Functions must be imported before any is defined. */
  importFunction(name: string, type: FunctionType): number {
    if (this.#functions.length > 0) throw new Error('functions are imported before any is defined');
    const index = this.type(type);
    this.#imports.push({ name, description: [KIND.function, index] });
    this.#names.push({ index: this.#importedFunctions, name });
    return this.#importedFunctions++;
  }
  importMemory(name: string, limits: { minimumPages: number; maximumPages: number }): void {
    this.#imports.push({ name, description: [KIND.memory, HAS_MAXIMUM, limits.minimumPages, limits.maximumPages] });
  }
  /** @returns the table's index */
  importTable(name: string, size: number): number {
    this.#imports.push({ name, description: [KIND.table, FUNCREF, 0, size] });
    return this.#tables++;
  }

  /** Reserves a function index; `define` gives the body. `name`: what profiles call it. */
  declare(type: FunctionType, name: string): number {
    const index = this.#importedFunctions + this.#functions.length;
    this.#functions.push({ type: this.type(type) });
    this.#names.push({ index, name });
    return index;
  }
  define(index: number, code: CodeWriter): void {
    this.#functions[index - this.#importedFunctions].body = code.finish();
  }
  export(name: string, index: number): void {
    this.#exports.push({ name, index });
  }
  /** Functions placed in the imported table, from position `at`. */
  elements(at: number, functions: number[]): void {
    this.#elements.push({ at, functions });
  }

  finish(): Uint8Array<ArrayBuffer> {
    const out = new ByteWriter();
    out.bytes([0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
    const section = <T>(id: number, items: readonly T[], write: (body: ByteWriter, item: T) => void) => {
      if (items.length === 0) return;
      const body = new ByteWriter();
      body.unsigned(items.length);
      for (const item of items) write(body, item);
      out.byte(id);
      out.unsigned(body.length);
      out.bytes(body.finish());
    };
    section(SECTION.type, this.#typeList, (body, { parameters, results }) => {
      body.byte(0x60);
      body.unsigned(parameters.length);
      body.bytes(parameters);
      body.unsigned(results.length);
      body.bytes(results);
    });
    section(SECTION.import, this.#imports, (body, entry) => {
      body.name('host');
      body.name(entry.name);
      for (const number of entry.description) body.unsigned(number);
    });
    section(SECTION.function, this.#functions, (body, { type }) => body.unsigned(type));
    section(SECTION.export, this.#exports, (body, { name, index }) => {
      body.name(name);
      body.byte(0);
      body.unsigned(index);
    });
    section(SECTION.element, this.#elements, (body, { at, functions }) => {
      body.byte(0);
      body.byte(0x41);
      body.signed(at);
      body.byte(0x0b);
      body.unsigned(functions.length);
      for (const index of functions) body.unsigned(index);
    });
    section(SECTION.code, this.#functions, (body, { body: code }) => {
      if (!code) throw new Error('a declared function has no body');
      body.unsigned(code.length);
      body.bytes(code);
    });
    const names = new ByteWriter();
    names.unsigned(this.#names.length);
    for (const { index, name } of this.#names) {
      names.unsigned(index);
      names.name(name);
    }
    const custom = new ByteWriter();
    custom.name(NAME_SECTION.name);
    custom.byte(NAME_SECTION.functionNames);
    custom.unsigned(names.length);
    custom.bytes(names.finish());
    out.byte(SECTION.custom);
    out.unsigned(custom.length);
    out.bytes(custom.finish());
    return out.finish();
  }
}
