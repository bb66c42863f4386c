/** The source tree as data: files, what they import, and their code without comments and strings. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

export const ROOT = resolve(import.meta.dirname, '../..');

export interface SourceFile {
  /** Relative to the repository, with forward slashes: `src/base/bits.ts`. */
  readonly path: string;
  readonly text: string;
  /** Comments and the contents of string literals blanked out. */
  readonly code: string;
  readonly imports: readonly Import[];
}

export interface Import {
  /** As written. */
  readonly specifier: string;
  /** Repository path of a relative import, undefined for packages. */
  readonly target?: string;
}

export function readSources(folder: string): SourceFile[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => readSource(relative(ROOT, join(entry.parentPath, entry.name))))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

function readSource(path: string): SourceFile {
  const text = readFileSync(join(ROOT, path), 'utf8');
  return { path, text, code: stripCommentsAndStrings(text), imports: findImports(path, stripComments(text)) };
}

const IMPORT = /^\s*(?:import|export)\s+(?:type\s+)?(?:[^'";]*?\bfrom\s+)?'([^']+)'|\bimport\(\s*'([^']+)'\s*\)/gm;

export function findImports(path: string, text: string): Import[] {
  return [...text.matchAll(IMPORT)].map((match) => {
    const specifier = (match[1] ?? match[2])!;
    const target = specifier.startsWith('.') ? join(dirname(path), specifier) : undefined;
    return { specifier, ...(target !== undefined && { target }) };
  });
}

// One alternation, so that a quote in a comment and `//` in a string are each taken for what they are.
const TOKEN = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`/g;

export const stripComments = (text: string): string =>
  text.replace(TOKEN, (token) => (token.startsWith('/') ? ' ' : token));

export const stripCommentsAndStrings = (text: string): string =>
  text.replace(TOKEN, (token) => (token.startsWith('/') ? ' ' : token.startsWith('`') ? templateCode(token) : "''"));

/** The expressions of a template literal are code too. */
const templateCode = (token: string): string =>
  [...token.matchAll(/\$\{([^}]*)\}/g)].map((match) => ` ${match[1]} `).join('');
