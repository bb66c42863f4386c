/**
 * Compiles modules of regions for one CPU, as long as the host lets it: it may have no memory left for code, or forbid
 * by now what it allowed when the interpreter was compiled. Then the interpreter goes on alone.
 */
import { shown } from '../../../base/argument-check.ts';
import { InternalError } from '../../../base/errors.ts';

/** Failures in a row after which the host is not asked again. */
const MOST_FAILURES = 3;

/** What modules import besides what all do. */
export interface RegionImports {
  /** What emitted code for helpers calls. */
  readonly emitted: boolean;
}

export class RegionCompiler {
  readonly #link: (bytes: Uint8Array<ArrayBuffer>, imports: RegionImports) => WebAssembly.Exports;
  #failures = 0;
  #refusal: string | undefined;

  /** @param link compiles a module and makes an instance of it; may throw */
  constructor(link: (bytes: Uint8Array<ArrayBuffer>, imports: RegionImports) => WebAssembly.Exports) {
    this.#link = link;
  }

  /** Why nothing is compiled any longer, in the host's words; undefined while it is. */
  get refusal(): string | undefined {
    return this.#refusal;
  }

  /** @returns the module's functions; undefined: the host did not make them. @throws InternalError for bytes that are no module */
  compile(bytes: Uint8Array<ArrayBuffer>, imports: RegionImports): WebAssembly.Exports | undefined {
    try {
      const exports = this.#link(bytes, imports);
      this.#failures = 0;
      return exports;
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : shown(cause);
      if (!WebAssembly.validate(bytes)) throw new InternalError(`a translation is not valid: ${message}`, { cause });
      if (++this.#failures >= MOST_FAILURES) this.#refusal = message;
      return undefined;
    }
  }
}
