/** The program of a host's threads, once for each test file that wants it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { bundleWorker } from './bundle-worker.ts';

/** For the tests of the file that calls this. @returns where the program is, once they run */
export function useWorkerBundle(): () => string {
  const folder = mkdtempSync(join(tmpdir(), 'vetro-worker-'));
  const path = join(folder, 'worker.mjs');
  beforeAll(() => bundleWorker(resolve(import.meta.dirname, '../..'), path));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return () => path;
}
