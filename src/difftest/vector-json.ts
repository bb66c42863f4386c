/** Vectors and outcomes as JSON, for regression cases: numbers in hexadecimal. */
import type { VectorMode } from './address-space.ts';
import type { Ending, Outcome, Vector, VectorState, X87State } from './vector.ts';

interface StateJson {
  readonly registers: readonly string[];
  readonly flags: string;
  readonly memory: string;
  readonly x87?: {
    readonly controlWord: string;
    readonly statusWord: string;
    readonly tags: string;
    readonly stack: readonly string[];
  };
}

type EndingJson = Readonly<Record<string, string>>;

/** A bug that the differential test found, and what the host CPU did. */
export interface RegressionJson {
  readonly title: string;
  /** CPU that gave the outcome. */
  readonly host: string;
  readonly vector: {
    readonly mode: VectorMode;
    readonly code: string;
    readonly window: string;
    readonly initial: StateJson;
  };
  readonly outcome: { readonly ending: EndingJson; readonly final: StateJson };
}

const hex = (value: number | bigint): string => value.toString(16);
const big = (text: string): bigint => BigInt(`0x${text}`);
const number = (text: string): number => Number.parseInt(text, 16);
const bytesToHex = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
const hexToBytes = (text: string): Uint8Array => Uint8Array.from(text.match(/../g) ?? [], number);

const stateToJson = ({ registers, flags, memory, x87 }: VectorState): StateJson => ({
  registers: registers.map(hex),
  flags: hex(flags),
  memory: bytesToHex(memory),
  ...(x87 && {
    x87: {
      controlWord: hex(x87.controlWord),
      statusWord: hex(x87.statusWord),
      tags: hex(x87.tags),
      stack: x87.stack.map(hex),
    },
  }),
});

const x87FromJson = (x87: NonNullable<StateJson['x87']>): X87State => ({
  controlWord: number(x87.controlWord),
  statusWord: number(x87.statusWord),
  tags: number(x87.tags),
  stack: x87.stack.map(big),
});

const stateFromJson = ({ registers, flags, memory, x87 }: StateJson): VectorState => ({
  registers: registers.map(big),
  flags: number(flags),
  memory: hexToBytes(memory),
  ...(x87 && { x87: x87FromJson(x87) }),
});

const endingToJson = (ending: Ending): EndingJson =>
  ending.kind === 'next'
    ? { next: hex(ending.ip) }
    : {
        exception: hex(ending.vector),
        errorCode: hex(ending.errorCode),
        at: hex(ending.ip),
        ...(ending.address !== undefined && { address: hex(ending.address) }),
      };

const endingFromJson = (json: EndingJson): Ending =>
  json.next !== undefined
    ? { kind: 'next', ip: big(json.next) }
    : {
        kind: 'fault',
        vector: number(json.exception!),
        errorCode: number(json.errorCode!),
        ip: big(json.at!),
        ...(json.address !== undefined && { address: big(json.address) }),
      };

export const regressionToJson = (title: string, host: string, vector: Vector, outcome: Outcome): RegressionJson => ({
  title,
  host,
  vector: {
    mode: vector.mode,
    code: bytesToHex(vector.code),
    window: hex(vector.window),
    initial: stateToJson(vector.initial),
  },
  outcome: { ending: endingToJson(outcome.ending), final: stateToJson(outcome.final) },
});

export function regressionFromJson({ vector, outcome }: RegressionJson): { vector: Vector; outcome: Outcome } {
  return {
    vector: {
      mode: vector.mode,
      code: hexToBytes(vector.code),
      window: number(vector.window),
      initial: stateFromJson(vector.initial),
    },
    outcome: { ending: endingFromJson(outcome.ending), final: stateFromJson(outcome.final) },
  };
}
