/** System.map of a Linux kernel, and /proc/kallsyms, which looks the same: address, type, name, a line for each symbol. */
import type { FunctionSymbol } from './symbol-table.ts';

const LINE = /^([0-9a-f]{1,16}) ([A-Za-z?]) (\S[^\t]*)(?:\t\[\S+\])?$/;
/** Types of symbols that are code: of the text section, or weak. */
const CODE = /^[tTwW]$/;
/** What a function may have that no symbol follows. */
const PAGE = 0x1000;

/**
 * The functions of a map; each ends where the next symbol begins, whatever that is. Undefined if it is no such map: a
 * line of it is something else.
 */
export function parseSystemMap(text: string): readonly FunctionSymbol[] | undefined {
  const symbols: { address: number; isCode: boolean; name: string }[] = [];
  for (const line of text.split(/\r?\n/)) {
    if (line.trim() === '') continue;
    const [, address, type, name] = LINE.exec(line) ?? [];
    if (name === undefined) return undefined;
    symbols.push({ address: Number.parseInt(address, 16), isCode: CODE.test(type), name });
  }
  symbols.sort((one, other) => one.address - other.address);
  const functions: FunctionSymbol[] = [];
  let end: number | undefined;
  for (const [index, { address, isCode, name }] of [...symbols.entries()].reverse()) {
    const next = symbols[index + 1]?.address;
    if (next !== undefined && next !== address) end = next;
    if (isCode && address !== 0) functions.push({ name, address, end: end ?? address + PAGE });
  }
  return functions.reverse();
}
