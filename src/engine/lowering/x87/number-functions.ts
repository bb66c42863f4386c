/** The functions on numbers, under the names by which one module exports them and others import them. */
import { I32 } from '../../../wasm/code-writer.ts';
import type { DeclaredFunction } from '../../../wasm/function-writer.ts';
import type { ModuleBuilder } from '../../../wasm/module-builder.ts';
import { ADDITION, BINARY, defineAdd, defineDivide, defineMultiply, defineSquareRoot, UNARY } from './arithmetic.ts';
import { COMPARE, defineCompare } from './comparison.ts';
import {
  defineFromFloat,
  defineFromInteger,
  defineRoundToInteger,
  defineToFloat,
  defineToMagnitude,
  FROM_MEMORY,
} from './conversion.ts';
import { defineNanOfTwo } from './nan.ts';
import { NUMBER } from './number.ts';
import { defineExtract, defineRemainder, defineScale, EXTRACT_TYPE, REMAINDER_TYPE } from './partial.ts';
import { defineRound } from './rounding.ts';

/** Those that functions on the register stack call. */
const TYPES = {
  add: { parameters: ADDITION, results: NUMBER },
  multiply: { parameters: BINARY, results: NUMBER },
  divide: { parameters: BINARY, results: NUMBER },
  squareRoot: { parameters: UNARY, results: NUMBER },
  roundToInteger: { parameters: UNARY, results: NUMBER },
  fromFloat32: { parameters: FROM_MEMORY, results: NUMBER },
  fromFloat64: { parameters: FROM_MEMORY, results: NUMBER },
  fromInteger: { parameters: FROM_MEMORY, results: NUMBER },
  toFloat32: { parameters: UNARY, results: NUMBER },
  toFloat64: { parameters: UNARY, results: NUMBER },
  toMagnitude: { parameters: UNARY, results: NUMBER },
  compare: { parameters: COMPARE, results: [I32] },
  scale: { parameters: BINARY, results: NUMBER },
  remainder: REMAINDER_TYPE,
  extract: EXTRACT_TYPE,
} as const;

type Types = typeof TYPES;
export type NumberFunctions = {
  readonly [Name in keyof Types]: DeclaredFunction<Types[Name]['parameters'], Types[Name]['results']>;
};

const exportName = (name: string): string => `number.${name}`;

/** Adds the functions to a module that exports them. */
export function defineNumberFunctions(module: ModuleBuilder): NumberFunctions {
  const round = defineRound(module);
  const below = { round, nanOfTwo: defineNanOfTwo(module) };
  const toMagnitude = defineToMagnitude(module);
  const functions: NumberFunctions = {
    add: defineAdd(module, below),
    multiply: defineMultiply(module, below),
    divide: defineDivide(module, below),
    squareRoot: defineSquareRoot(module, below),
    roundToInteger: defineRoundToInteger(module, { toMagnitude }),
    fromFloat32: defineFromFloat(module, 32),
    fromFloat64: defineFromFloat(module, 64),
    fromInteger: defineFromInteger(module),
    toFloat32: defineToFloat(module, below, 32),
    toFloat64: defineToFloat(module, below, 64),
    toMagnitude,
    compare: defineCompare(module),
    scale: defineScale(module, below),
    remainder: defineRemainder(module, below),
    extract: defineExtract(module),
  };
  for (const [name, { index }] of Object.entries(functions)) module.export(exportName(name), index);
  return functions;
}

/** Makes a module import them. */
export function importNumberFunctions(module: ModuleBuilder): NumberFunctions {
  const imported = Object.entries(TYPES).map(([name, type]) => {
    const index = module.importFunction(exportName(name), type);
    return [name, { ...type, index }] as const;
  });
  return Object.fromEntries(imported) as unknown as NumberFunctions;
}
