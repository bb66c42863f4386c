/** What addresses of code are called in a profile: by function, or else by page. */
import type { SymbolFile } from './symbol-file.ts';

export class AddressNamer {
  readonly #kernel: readonly SymbolFile[];
  readonly #any: readonly SymbolFile[];

  constructor(files: readonly SymbolFile[] = []) {
    this.#kernel = files.filter(({ names }) => names === 'kernel');
    this.#any = files.filter(({ names }) => names === 'any');
  }

  /** The function at a linear address, if one is known. */
  function(address: number, { user }: { readonly user: boolean }): string | undefined {
    for (const { table } of user ? this.#any : [...this.#kernel, ...this.#any]) {
      const found = table.find(address);
      if (found) return found.name;
    }
    return undefined;
  }

  /** The function, or the page: `kernel c0123xxx`. */
  frame(address: number, how: { readonly user: boolean }): string {
    return this.function(address, how) ?? `${privilege(how)} ${hex(address).slice(0, -3)}xxx`;
  }
}

export const privilege = ({ user }: { readonly user: boolean }): string => (user ? 'user' : 'kernel');
const hex = (address: number): string => address.toString(16).padStart(8, '0');
