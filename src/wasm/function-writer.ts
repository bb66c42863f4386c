/** Writes functions of a module statement by statement, over `CodeWriter`: typed locals, calls, structured control. */
import { CodeWriter, I32, type Label, type MemoryOpcode, type ValueType } from './code-writer.ts';
import { Expression, type Int32, Local, type Operand, toExpression } from './expression.ts';
import type { ModuleBuilder } from './module-builder.ts';

/** A function of the module under construction that others can call. */
export interface DeclaredFunction<
  Parameters extends readonly ValueType[] = readonly ValueType[],
  Results extends readonly ValueType[] = readonly ValueType[],
> {
  readonly index: number;
  readonly parameters: Parameters;
  readonly results: Results;
}

type Locals<Types extends readonly ValueType[]> = { readonly [At in keyof Types]: Local<Types[At]> };
type Operands<Types extends readonly ValueType[]> = { readonly [At in keyof Types]: Operand<Types[At]> };

/**
 * Adds a function to the module, called `name` in profiles. `write` receives its parameters as locals; a function with results must return on
 * every path.
 */
export function defineFunction<
  const Parameters extends readonly ValueType[],
  const Results extends readonly ValueType[],
>(
  module: ModuleBuilder,
  name: string,
  parameters: Parameters,
  results: Results,
  write: (f: FunctionWriter<Results>, ...locals: Locals<Parameters>) => void,
): DeclaredFunction<Parameters, Results> {
  const index = module.declare({ parameters, results }, name);
  const code = new CodeWriter(parameters.length);
  const locals = parameters.map((type, at) => new Local(type, at)) as unknown as Locals<Parameters>;
  write(new FunctionWriter<Results>(code, results), ...locals);
  if (results.length > 0) code.op('unreachable');
  module.define(index, code);
  return { index, parameters, results };
}

/**
 * Writes in place what would be a function with one result: returning leaves that on the stack and goes on behind.
 * As in a function, every path must return.
 */
export function writeInPlace<T extends ValueType>(
  code: CodeWriter,
  result: T,
  write: (f: FunctionWriter<readonly [T]>) => void,
): void {
  const end = code.block(result);
  write(new FunctionWriter<readonly [T]>(code, [result], end));
  code.op('unreachable');
  code.end();
}

export class FunctionWriter<Results extends readonly ValueType[] = readonly ValueType[]> {
  readonly code: CodeWriter;
  readonly #results: Results;
  /** Where returning leads, if it does not leave the function. */
  readonly #end: Label | undefined;

  constructor(code: CodeWriter, results: Results, end?: Label) {
    this.code = code;
    this.#results = results;
    this.#end = end;
  }

  /** A new local that holds the value. */
  local<T extends ValueType>(value: Expression<T>): Local<T> {
    const local = new Local(value.type, this.code.newLocal(value.type));
    this.set(local, value);
    return local;
  }
  /** A new local; 0 until it is set, unless it was set in an earlier turn of a loop. */
  variable<T extends ValueType>(type: T): Local<T> {
    return new Local(type, this.code.newLocal(type));
  }
  set<T extends ValueType>(local: Local<T>, value: Operand<T>): void {
    toExpression(local.type, value).push(this.code);
    this.code.set(local.index);
  }

  /** A condition that is constant decides at once which code is written. */
  if(condition: Int32, then: () => void, otherwise?: () => void): void {
    if (condition.constant !== undefined) return condition.constant ? then() : otherwise?.();
    condition.push(this.code);
    this.code.if();
    then();
    if (otherwise) {
      this.code.else();
      otherwise();
    }
    this.code.end();
  }
  /** Runs `body`, and where it gives up, `otherwise`. */
  attempt(body: (giveUpIf: (condition: Int32) => void) => void, otherwise: () => void): void {
    const { code } = this;
    const end = code.block();
    const given = code.block();
    body((condition) => {
      condition.push(code);
      code.brIf(given);
    });
    code.br(end);
    code.end();
    otherwise();
    code.end();
  }
  /** Runs `body` for as long as what it returns is not 0. */
  repeat(body: () => Int32): void {
    const again = this.code.loop();
    body().push(this.code);
    this.code.brIf(again);
    this.code.end();
  }
  return(...values: Operands<Results>): void {
    this.#results.forEach((type, at) => {
      toExpression(type, values[at] as Operand<ValueType>).push(this.code);
    });
    this.#leave();
  }

  /** Calls a function and returns its results in new locals. */
  call<const Parameters extends readonly ValueType[], const Called extends readonly ValueType[]>(
    declared: DeclaredFunction<Parameters, Called>,
    ...args: Operands<Parameters>
  ): Locals<Called> {
    this.#push(declared, args);
    const locals = declared.results.map((type) => this.variable(type));
    for (const local of [...locals].reverse()) this.code.set(local.index);
    return locals as unknown as Locals<Called>;
  }
  /** Returns what a function of the same results does. */
  returnCall<const Parameters extends readonly ValueType[]>(
    declared: DeclaredFunction<Parameters, Results>,
    ...args: Operands<Parameters>
  ): void {
    this.#push(declared, args);
    this.#leave();
  }
  #leave(): void {
    if (this.#end) this.code.br(this.#end);
    else this.code.op('return');
  }

  /** Writes to memory at `address` + `offset`. */
  store(opcode: MemoryOpcode, address: Int32, offset: number, value: Expression): void {
    address.push(this.code);
    value.push(this.code);
    this.code.memory(opcode, offset);
  }

  #push<Parameters extends readonly ValueType[]>(declared: DeclaredFunction<Parameters>, args: Operands<Parameters>) {
    declared.parameters.forEach((type, at) => {
      toExpression(type, args[at] as Operand<ValueType>).push(this.code);
    });
    this.code.call(declared.index);
  }
}

/** What is in memory at `address` + `offset`, read where the expression is used. */
export const load = <T extends ValueType>(type: T, opcode: MemoryOpcode, address: Int32, offset: number) =>
  new Expression(type, (code) => {
    address.push(code);
    code.memory(opcode, offset);
  });

export const load32 = (address: Int32, offset: number): Int32 => load(I32, 'i32.load', address, offset);
