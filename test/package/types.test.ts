/** The declarations of the library, as they are built from the sources now: a quick part of install.full.test.ts. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConsumerProject } from '../support/consumer-project.ts';

const folder = mkdtempSync(join(tmpdir(), 'vetro-types-'));
const user = new ConsumerProject(folder);

beforeAll(async () => {
  const { writeDeclarations } = await import(resolve('.ci/declarations.js'));
  await writeDeclarations({ entry: 'src/index.ts', folder: join(folder, 'node_modules/vetro/dist/types') });
  user.write('node_modules/vetro/package.json', readFileSync('package.json'));
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('L4: the declarations compile where there are no types but their own', () => {
  it.each([
    ['ES modules', 'module'],
    ['CommonJS', 'commonjs'],
  ])('%s', (_, type) => {
    const project = user.inner(type, { type });
    project.writeSettings({ module: 'nodenext', noEmit: true });
    project.write('program.ts', readFileSync(join(import.meta.dirname, 'projects/program.ts')));
    expect(project.compile(['-p', '.'])).toBe('');
  });
});
