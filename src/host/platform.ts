/** Wall clock, timers and WebAssembly, in terms that Node and browsers share. */
import { UserError } from '../base/errors.ts';

export interface CommonPlatform {
  now(): number;
  yield(): Promise<void>;
  delay(ms: number, action: () => void): () => void;
  compile(bytes: Uint8Array<ArrayBuffer>): WebAssembly.Module;
  compileRegions(bytes: Uint8Array<ArrayBuffer>): WebAssembly.Module;
  readonly fastTailCalls: boolean;
}

export interface CommonPlatformOptions {
  /** How bytes become a module; default: straight to optimised code where that can be asked for. */
  readonly compile?: (bytes: Uint8Array<ArrayBuffer>) => WebAssembly.Module;
}

/**
 * @see `hypervisor/platform.ts`, whose interface this implements.
 * @throws UserError where WebAssembly is absent or forbidden
 */
export function createPlatform(options: CommonPlatformOptions = {}): CommonPlatform {
  assertWebAssembly();
  return {
    compile: options.compile ?? compileOptimised,
    compileRegions: regionCompiler((globalThis as NodeGlobals).process),
    fastTailCalls: hasFastTailCalls(globalThis as NodeGlobals),
    now: () => performance.now(),
    yield: nextTurn(),
    delay(ms, action) {
      const timer = setTimeout(action, Math.min(ms, LONGEST_TIMEOUT));
      return () => clearTimeout(timer);
    },
  };
}

/** The smallest module there is: magic number and version. */
const EMPTY_MODULE = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];

/**
 * Asked before there is a guest: a page's policy may forbid WebAssembly, and Node's option --jitless leaves it out. Size
 * is no matter: Chromium compiles modules up to 8 MiB on a page's main thread (measured with 156), ours have 200 KB.
 */
function assertWebAssembly(): void {
  try {
    new WebAssembly.Module(new Uint8Array(EMPTY_MODULE));
  } catch (error) {
    throw new UserError(
      `WebAssembly can't be compiled here (a Content-Security-Policy must allow it with script-src 'wasm-unsafe-eval'): ${(error as Error).message}`,
    );
  }
}

/** setTimeout takes a signed 32-bit number. */
const LONGEST_TIMEOUT = 2 ** 31 - 1;

/** A task behind those that wait: setImmediate where there is one, else a message to ourselves (setTimeout is clamped to 4 ms). */
function nextTurn(): () => Promise<void> {
  const { setImmediate } = globalThis as { setImmediate?: (action: () => void) => void };
  if (setImmediate) return () => new Promise((resolve) => setImmediate(resolve));
  const { port1, port2 } = new MessageChannel();
  const waiting: (() => void)[] = [];
  port1.onmessage = () => waiting.shift()?.();
  return () =>
    new Promise((resolve) => {
      waiting.push(resolve);
      port2.postMessage(0);
    });
}

/**
 * V8 compiles WebAssembly twice: quickly at first, well once it has run for a while; a loop that is entered once would
 * stay with the quick code for long. Node can be told to leave the first step out, for this one module; and the check
 * for interrupts by the host in each turn of the loop (a tenth of its time): the loop ends by itself with its budget.
 */
function compileOptimised(bytes: Uint8Array<ArrayBuffer>): WebAssembly.Module {
  const v8 = v8Of((globalThis as NodeGlobals).process);
  const flags = ['liftoff', 'wasm-lazy-compilation', 'wasm-stack-checks'];
  for (const flag of flags) v8?.setFlagsFromString(`--no-${flag}`);
  try {
    return new WebAssembly.Module(bytes);
  } finally {
    for (const flag of flags) v8?.setFlagsFromString(`--${flag}`);
  }
}

/** How much V8 lets a function run, about in bytes of its code, before it compiles it well. */
const TIERING_BUDGET = {
  FLAG: '--wasm-tiering-budget',
  /** Of translated code: measured from 30 thousand to 13 million. */
  REGIONS: 300_000,
  /** What it is by itself: up to V8 11, and later. */
  USUAL: [1_800_000, 13_000_000],
} as const;

/**
 * Translated code has shown that it is hot, and need not show it again for long. A module keeps the budget that it was
 * made with, so Node can be told for it alone; but what its user has set stays.
 */
export function regionCompiler(
  process: NodeProcess | undefined,
): (bytes: Uint8Array<ArrayBuffer>) => WebAssembly.Module {
  const v8 = v8Of(process);
  const version = Number.parseInt(process?.versions?.v8 ?? '', 10);
  const given = [...(process?.execArgv ?? []), process?.env?.NODE_OPTIONS ?? ''].join(' ');
  const { FLAG, REGIONS, USUAL } = TIERING_BUDGET;
  if (!v8 || Number.isNaN(version) || given.replaceAll('_', '-').includes(FLAG)) {
    return (bytes) => new WebAssembly.Module(bytes);
  }
  return (bytes) => {
    v8.setFlagsFromString(`${FLAG}=${REGIONS}`);
    try {
      return new WebAssembly.Module(bytes);
    } finally {
      v8.setFlagsFromString(`${FLAG}=${USUAL[version < 12 ? 0 : 1]}`);
    }
  };
}

/** A module with one function, which calls itself in its own place. */
const TAIL_CALL_MODULE = [...EMPTY_MODULE, 1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 10, 6, 1, 4, 0, 0x12, 0, 0x0b];
/** From this V8 on, tail calls between modules take half of what it takes to return and be called; before, more. */
const FAST_TAIL_CALLS = 13.6;

/** Of V8 alone it is known. Chrome's version is ten times that of its V8. */
export function hasFastTailCalls({ process, navigator }: NodeGlobals): boolean {
  const [, chrome] = /Chrome\/(\d+)/.exec(navigator?.userAgent ?? '') ?? [];
  const version = Number.parseFloat(process?.versions?.v8 ?? '') || Number(chrome ?? 0) / 10;
  return version >= FAST_TAIL_CALLS && WebAssembly.validate(Uint8Array.from(TAIL_CALL_MODULE));
}

const v8Of = (process: NodeProcess | undefined) => process?.getBuiltinModule?.('node:v8');

/** As much of Node as is looked for in a place that may be a browser. */
interface NodeGlobals {
  readonly process?: NodeProcess;
  readonly navigator?: { readonly userAgent?: string };
}

interface NodeProcess {
  getBuiltinModule?(name: 'node:v8'): { setFlagsFromString(flags: string): void } | undefined;
  readonly versions?: { readonly v8?: string };
  readonly execArgv?: readonly string[];
  readonly env?: Readonly<Record<string, string | undefined>>;
}
