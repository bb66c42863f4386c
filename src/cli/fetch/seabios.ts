/** SeaBIOS as Debian builds it, and its video BIOS for a plain VGA: package `seabios`. */
import type { FetchOptions } from './fetched-files.ts';
import { loadPackageFiles } from './package-files.ts';

const FOLDER = 'usr/share/seabios';
/** The image for QEMU's PC, and the video BIOS that needs no PCI device. */
const BIOS = 'bios-256k.bin';
const VIDEO_BIOS = 'vgabios-isavga.bin';
const SIZE = 2 * 2 ** 20;

export interface SeaBios {
  readonly bios: Uint8Array;
  readonly videoBios: Uint8Array;
}

/** @throws CacheError, UserError as `loadFetched` does */
export async function loadSeaBios(options: FetchOptions = {}): Promise<SeaBios> {
  const paths = [`${FOLDER}/${BIOS}`, `${FOLDER}/${VIDEO_BIOS}`];
  const files = await loadPackageFiles({ name: 'seabios', packageName: 'seabios', paths, size: SIZE }, options);
  return { bios: files.get(BIOS)!, videoBios: files.get(VIDEO_BIOS)! };
}
