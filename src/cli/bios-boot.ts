/** `vetro run --bios`: SeaBIOS from Debian's package, or a file. */
import type { GuestBoot } from '../index.ts';
import { checkRomImage, LARGEST_ROM } from '../machine/rom-firmware.ts';
import { loadSomewhere } from './fetch/load-somewhere.ts';
import { loadSeaBios } from './fetch/seabios.ts';
import { fetchHere } from './fetch-here.ts';
import { readUserFile } from './files.ts';

/** Not a file (that would be ./seabios). */
export const SEABIOS = 'seabios';
const LIMIT = { bytes: LARGEST_ROM, because: 'a BIOS has at most 256 KiB' };

/**
 * What it says is on the serial port, too: that is what the user sees.
 * @throws UserError for an unusable file, or if SeaBIOS cannot be had; the reason of `stop` if it is aborted
 */
export async function bootBios(name: string, stop: AbortSignal): Promise<GuestBoot> {
  if (name === SEABIOS) {
    const loaded = await fetchHere((options) => loadSomewhere(loadSeaBios, options), stop);
    return { ...loaded, serialConsole: true };
  }
  const bios = readUserFile(name, 'BIOS', LIMIT);
  checkRomImage(bios, name);
  return { bios, serialConsole: true };
}
