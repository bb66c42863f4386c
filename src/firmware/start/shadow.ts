/** The ROM's copy in RAM: what the BIOS adds to its segment at power-on (tables) is put there. 82441FX, "PAM". */
import { configAddress } from '../../bus/pci/pci-bus.ts';
import type { Board, PortAccess } from '../board.ts';
import { ROM_SEGMENT, romImage } from '../rom.ts';

/** The host bridge's attributes of F0000h–FFFFFh: bits 5–4. */
const PAM0 = 0x59;
const PAM = { RAM: 0x30, READ_ONLY_RAM: 0x10 } as const;
const CONFIG = { ADDRESS: 0xcf8, DATA: 0xcfc, ENABLE: 0x8000_0000 } as const;

const setAttributes = (ports: PortAccess, value: number): void => {
  ports.write(CONFIG.ADDRESS, CONFIG.ENABLE + (configAddress({ device: 0, function: 0 }, PAM0) & ~3), 4);
  ports.write(CONFIG.DATA + (PAM0 & 3), value, 1);
};

/** `fill` adds to it before writes are switched off. */
export function shadowRom({ ports, physical }: Board, fill: () => void = () => {}): void {
  setAttributes(ports, PAM.RAM);
  physical.copyIn(ROM_SEGMENT * 16, romImage());
  fill();
  setAttributes(ports, PAM.READ_ONLY_RAM);
}
