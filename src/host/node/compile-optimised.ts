/** Compiling WebAssembly straight to optimised code. */
import { setFlagsFromString } from 'node:v8';

/**
 * V8 compiles WebAssembly twice: quickly at first, well once it has run for a while, and a loop that is entered once
 * would stay with the quick code for long. For this one module the first step is left out.
 */
export function compileOptimised(bytes: Uint8Array<ArrayBuffer>): WebAssembly.Module {
  setFlagsFromString('--no-liftoff');
  try {
    return new WebAssembly.Module(bytes);
  } finally {
    setFlagsFromString('--liftoff');
  }
}
