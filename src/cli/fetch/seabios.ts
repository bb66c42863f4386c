/** SeaBIOS as Debian builds it, and its video BIOS for a plain VGA: package `seabios`. */
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { extractDeb } from '../../host/node/apt.ts';
import { downloadNewest, type FetchOptions, loadFetched, type Workshop } from './fetched-files.ts';

const FOLDER = './usr/share/seabios';
/** The image for QEMU's PC, and the video BIOS that needs no PCI device. */
const BIOS = 'bios-256k.bin';
const VIDEO_BIOS = 'vgabios-isavga.bin';
/** Package lists and one small package: 60 MB, and some room. */
const NEEDED = 80 * 2 ** 20;

export interface SeaBios {
  readonly bios: Uint8Array;
  readonly videoBios: Uint8Array;
}

/** @throws CacheError, UserError as `loadFetched` does */
export async function loadSeaBios(options: FetchOptions = {}): Promise<SeaBios> {
  const recipe = { name: 'seabios', files: [BIOS, VIDEO_BIOS], architecture: 'i386', needed: NEEDED, download };
  const files = await loadFetched(recipe, options);
  return { bios: files.get(BIOS)!, videoBios: files.get(VIDEO_BIOS)! };
}

async function download(workshop: Workshop): Promise<string> {
  const { folder, signal, announce } = workshop;
  const deb = await downloadNewest(workshop, 'seabios');
  announce('unpacking');
  await extractDeb(deb, `${FOLDER}/*.bin`, { folder, signal });
  const result = join(folder, 'result');
  await mkdir(result);
  for (const name of [BIOS, VIDEO_BIOS]) await rename(join(folder, FOLDER, name), join(result, name));
  await writeFile(join(result, 'version'), `${basename(deb).split('_')[1]}\n`);
  return result;
}
