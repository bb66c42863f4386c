/** A file that gives names to addresses: a System.map, or an ELF file with its symbols. */
import { UserError } from '../../base/errors.ts';
import { isElf, parseElfSymbols } from './elf-symbols.ts';
import { SymbolTable } from './symbol-table.ts';
import { parseSystemMap } from './system-map.ts';

export interface SymbolFile {
  /** 'kernel': it names code at CPL 0 to 2 alone. 'any': a program, or a kernel of one's own, which lies low. */
  readonly names: 'kernel' | 'any';
  readonly table: SymbolTable;
}

/** Where Linux puts its kernel is above this, its programs below; on 32 bits it may be configured, but not lower. */
const UPPER_HALF = 0x8000_0000;

/** @param name for messages. @throws UserError for a file without functions */
export function readSymbolFile(bytes: Uint8Array, name: string): SymbolFile {
  return isElf(bytes) ? readElf(bytes, name) : readMap(bytes, name);
}

function readElf(bytes: Uint8Array, name: string): SymbolFile {
  const elf = parseElfSymbols(bytes);
  if (!elf) throw new UserError(`--symbols ${name}: an ELF file of a kind that no PC runs`);
  const { fixed, functions } = elf;
  if (!fixed)
    throw new UserError(
      `--symbols ${name}: it may be loaded anywhere, so its symbols are no addresses; link it at a fixed one (-no-pie)`,
    );
  if (functions.length === 0) throw new UserError(`--symbols ${name}: it names no functions; was it stripped?`);
  const high = functions.filter(({ address }) => address >= UPPER_HALF).length;
  return { names: 2 * high > functions.length ? 'kernel' : 'any', table: new SymbolTable(functions) };
}

function readMap(bytes: Uint8Array, name: string): SymbolFile {
  const functions = parseSystemMap(new TextDecoder().decode(bytes));
  if (!functions)
    throw new UserError(
      `--symbols ${name}: neither an ELF file nor a System.map (lines of address, type and name, as in /proc/kallsyms)`,
    );
  if (functions.length === 0)
    throw new UserError(
      `--symbols ${name}: it names no functions; Debian's own System.map is in the package linux-image-…-dbg, a guest's is its /proc/kallsyms`,
    );
  return { names: 'kernel', table: new SymbolTable(functions) };
}
