/** The packed library in a browser: bundled by esbuild as a user would, run in a page and in a worker. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build, type Metafile } from 'esbuild';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { assembleDemo } from '../../src/cli/demo.ts';
import { Host } from '../../src/index.ts';
import { type Content, chromiumPath, launchChromium, serve } from '../support/chromium.ts';
import { packVetro } from '../support/consumer-project.ts';
import { COMMAND_LINE, debianBoot } from '../support/debian.ts';

const TIMEOUT = 60_000;
const PAGE = '<!doctype html><title>Vetro</title>';
const html = (headers: Readonly<Record<string, string>> = {}): Content => ({ type: 'text/html', body: PAGE, headers });

const folder = mkdtempSync(join(tmpdir(), 'vetro-browser-'));
let script: Uint8Array;
let bundle: Metafile;
let browser: Browser | undefined;
let site: Awaited<ReturnType<typeof serve>> | undefined;

beforeAll(async () => {
  const installed = join(folder, 'node_modules/vetro');
  mkdirSync(installed, { recursive: true });
  // To unpack it is to install it, but for the packages that unpack compressed images.
  const { status } = spawnSync('tar', ['-xzf', packVetro(folder), '-C', installed, '--strip-components=1']);
  expect(status).toBe(0);
  for (const name of ['fflate', 'fzstd'])
    cpSync(join('node_modules', name), join(folder, 'node_modules', name), { recursive: true });
  writeFileSync(join(folder, 'demo.img'), assembleDemo());
  writeFileSync(join(folder, 'main.ts'), readFileSync(join(import.meta.dirname, 'projects/browser.ts')));
  const { outputFiles, metafile } = await build({
    entryPoints: [join(folder, 'main.ts')],
    bundle: true,
    platform: 'browser',
    format: 'esm',
    loader: { '.img': 'binary' },
    write: false,
    metafile: true,
  });
  script = outputFiles[0].contents;
  bundle = metafile;
  if (chromiumPath === undefined) return;
  browser = await launchChromium();
  site = await serve({
    '/': html(),
    '/no-wasm': html({ 'content-security-policy': "script-src 'self'" }),
    '/wasm-allowed': html({ 'content-security-policy': "script-src 'self' 'wasm-unsafe-eval'" }),
    '/vetro-worker.js': { type: 'text/javascript', body: readFileSync(join(installed, 'dist/worker.js')) },
    '/main.js': { type: 'text/javascript', body: script },
  });
});
afterAll(async () => {
  await browser?.close();
  site?.close();
  rmSync(folder, { recursive: true, force: true });
});

type Place = 'page' | 'worker';

/** Runs a scenario of projects/browser.ts. @returns what it reports */
async function run(
  scenario: string,
  options: { place?: Place; path?: string; on?: typeof site } = {},
): Promise<Record<string, unknown>> {
  const { place = 'page', path = '/', on = site } = options;
  const page = await browser!.newPage();
  try {
    await page.goto(`${on!.origin}${path}`);
    return await page.evaluate(
      ([url, where, timeout]) =>
        new Promise<Record<string, unknown>>((resolve, reject) => {
          setTimeout(() => reject(new Error('nothing was reported')), timeout);
          const failed = (event: { message?: string }) => reject(new Error(event.message ?? 'the script did not load'));
          if (where === 'worker') {
            const worker = new Worker(url, { type: 'module' });
            worker.onmessage = ({ data }) => resolve(data);
            worker.onerror = failed;
          } else {
            Object.assign(globalThis, { report: resolve });
            window.onerror = (message) => failed({ message: String(message) });
            document.head.append(
              Object.assign(document.createElement('script'), { type: 'module', src: url, onerror: failed }),
            );
          }
        }),
      [`/main.js?scenario=${encodeURIComponent(scenario)}`, place, TIMEOUT] as const,
    );
  } finally {
    await page.close();
  }
}

it('the bundle imports nothing, of Node or otherwise', () => {
  expect(Object.values(bundle.outputs).flatMap((output) => output.imports)).toEqual([]);
});

describe.skipIf(chromiumPath === undefined)(
  `in Chromium${chromiumPath === undefined ? ': it is not installed' : ''}`,
  () => {
    it.each<[Place, string]>([
      ['page', 'demo'],
      ['page', 'demo, host clock'],
      ['worker', 'demo'],
      ['worker', 'demo, host clock'],
    ])('in a %s: %s', async (place, scenario) => {
      const { printed, reason } = await run(scenario, { place });
      expect(printed).toMatch(/Vetro demo: .*\r\nType "help" for the commands.*\r\n\r\n> help\r\n/);
      expect(reason).toBe('halted');
    });

    it.each<Place>(['page', 'worker'])(
      'in a %s: a guest that never sleeps leaves the thread its turns',
      async (place) => {
        const { late, gained } = await run('busy', { place });
        expect(late).toBeLessThan(100);
        expect(gained).toBeGreaterThan(1_000_000);
      },
    );

    it.each<Place>(['page', 'worker'])('in a %s: guests in threads are what they are in Node', async (place) => {
      const host = await Host.create();
      const guest = await host.createGuest({ boot: { image: assembleDemo() }, memory: 16 });
      await guest.runTo(200_000);
      const hash = await guest.stateHash();
      host.dispose();
      expect(await run('threads', { place })).toEqual({ hashes: [hash, hash], isUserError: true });
    });

    it("a page whose policy forbids WebAssembly is told so; 'wasm-unsafe-eval' is enough", async () => {
      const refused = await run('refused', { path: '/no-wasm' });
      expect(refused).toMatchObject({ isUserError: true, message: expect.stringContaining("'wasm-unsafe-eval'") });
      expect(await run('demo', { path: '/wasm-allowed' })).toMatchObject({ reason: 'halted' });
    });
  },
);

/** When it is saved, in instructions: the kernel probes its devices; and how far it goes then: up to its shell. */
const [SAVED_AT, MORE] = [2_600_000_000, 250_000_000];
const { boot, reason } = await debianBoot('debian-686');
const missing = reason ?? (chromiumPath === undefined ? 'Chromium is not installed' : undefined);

describe.skipIf(missing !== undefined)(
  `Debian, saved in Node, in Chromium${missing === undefined ? '' : ` (${missing})`}`,
  () => {
    let saved: Uint8Array;
    let hashes: string[];
    let printed = '';
    let snapshots: Awaited<ReturnType<typeof serve>>;

    beforeAll(async () => {
      using host = await Host.create();
      const { kernel, initrd } = boot as { kernel: Uint8Array; initrd: Uint8Array };
      const guest = await host.createGuest({ boot: { kernel, initrd, commandLine: COMMAND_LINE }, memory: 128 });
      guest.serial.on('data', (bytes) => {
        printed += new TextDecoder().decode(bytes);
      });
      await guest.runTo(SAVED_AT);
      printed = '';
      saved = (await guest.snapshot()).bytes!;
      hashes = [guest.machine.stateHash()];
      await guest.runTo(SAVED_AT + MORE);
      hashes.push(guest.machine.stateHash());
      snapshots = await serve({
        '/': html(),
        '/main.js': { type: 'text/javascript', body: script },
        '/guest.vetro': { type: 'text/plain', body: saved },
        '/more': { type: 'text/plain', body: String(MORE) },
      });
    });
    afterAll(() => snapshots?.close());

    it.each<[Place, string]>([
      ['page', 'restore, auto'],
      ['worker', 'restore, interpreter'],
    ])('in a %s: %s: it goes on as it does in Node', async (place, scenario) => {
      const there = await run(scenario, { place, on: snapshots });
      expect(there).toEqual({ hashes, printed });
      expect(printed).toContain('# ');
    });
  },
);
