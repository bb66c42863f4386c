import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { romImage } from '../../src/firmware/rom.ts';
import { assembleBios, biosModule } from '../support/bios-rom.ts';

describe('the ROM of the BIOS', () => {
  it('is what roms/bios.asm says', async () => {
    const file = join(import.meta.dirname, '../../src/firmware/rom-image.ts');
    await expect(biosModule()).toMatchFileSnapshot(file);
  });

  it('fills the last 64 KiB below 1 MiB, and ends as a PC’s does', () => {
    const { bytes, origin } = assembleBios();
    const rom = romImage();
    expect(rom.length).toBe(0x1_0000);
    expect(rom.subarray(origin)).toEqual(bytes);
    expect(rom.subarray(0, origin).every((byte) => byte === 0xff)).toBe(true);
    // A far jump to F000:E05B, a date, and the model byte of an AT.
    expect([...rom.subarray(0xfff0, 0xfff5)]).toEqual([0xea, 0x5b, 0xe0, 0x00, 0xf0]);
    expect(new TextDecoder().decode(rom.subarray(0xfff5, 0xfffd))).toMatch(/^\d\d\/\d\d\/\d\d$/);
    expect(rom[0xfffe]).toBe(0xfc);
  });
});
