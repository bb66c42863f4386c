/** The command `vetro`, for the tests of a file, with a folder of its own. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { buildVetro, type Result, type Vetro } from './run-vetro.ts';

interface VetroInFolder {
  readonly folder: string;
  /** The path of what is called this in the folder. */
  readonly file: (name: string) => string;
  /** The words of a line, of which `@/` stands for the folder. */
  readonly words: (line: string) => string[];
  /** Runs it with the words of a line; what it prints names files as they are called in the folder. */
  readonly run: (line: string, input?: string) => Promise<Result>;
  readonly start: Vetro['start'];
}

/** Builds it before the first test; the folder goes with the last. */
export function useVetroInFolder(): VetroInFolder {
  const folder = mkdtempSync(join(tmpdir(), 'vetro-cli-'));
  let vetro: Vetro;
  beforeAll(async () => {
    vetro = await buildVetro();
  });
  afterAll(() => {
    vetro?.dispose();
    rmSync(folder, { recursive: true, force: true });
  });
  const words = (line: string): string[] => line.split(' ').map((word) => word.replace('@/', `${folder}/`));
  return {
    folder,
    file: (name) => join(folder, name),
    words,
    async run(line, input = '') {
      const { status, stdout, stderr } = await vetro.run(words(line), { input });
      return { status, stdout: stdout.replaceAll(`${folder}/`, ''), stderr: stderr.replaceAll(`${folder}/`, '') };
    },
    start: (...all) => vetro.start(...all),
  };
}
