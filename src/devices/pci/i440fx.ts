/**
 * Host bridge: Intel 82441FX (PMC) of the 440FX PCIset, order number 290549. What of it a guest can tell is where RAM
 * answers below 1 MiB: the attributes of thirteen segments (PAM) and the memory behind the video adapter (SMRAM).
 *
 * Not modelled: the memory controller's other registers, which are stored and read back (row boundaries and types,
 * timing, ECC, the hole at 15 MiB and 512 KiB), cacheability, the errors reported in ERRSTS, and system management mode
 * itself: SMRAM is reached only while it is open.
 */
import type { Device } from '../../bus/device.ts';
import { COMMAND, type ConfigDeclaration, ConfigSpace, STATUS } from '../../bus/pci/config-space.ts';
import type { PciFunction } from '../../bus/pci/pci-bus.ts';
import type { RamRoute } from '../../memory/guest-memory.ts';

export const I440FX_REGISTER = { PAM0: 0x59, SMRAM: 0x72 } as const;
const REGISTER = I440FX_REGISTER;
/** Attributes of a segment: half a byte each. */
const PAM = { RE: 0x1, WE: 0x2 } as const;
const PAM_WRITABLE = 0x77;
const PAM_REGISTERS = 7;
const SMRAM = { DOPEN: 0x40, DLCK: 0x10, SMRAME: 0x08, WRITABLE: 0x78 } as const;

/** How software that was made for emulated machines knows one: see SeaBIOS, `fw/paravirt.c`. The chip has no such register. */
const EMULATED = { vendor: 0x1af4, device: 0x1100 } as const;

const stored = (offset: number, size: 1 | 2 | 4, reset = 0) => ({ offset, size, reset, writable: 0xffff_ffff });

const DECLARATION: ConfigDeclaration = {
  vendor: 0x8086,
  device: 0x1237,
  classCode: 0x06_00_00,
  revision: 0x02,
  subsystem: EMULATED,
  command: { reset: COMMAND.MEMORY | COMMAND.BUS_MASTER, writable: COMMAND.SERR },
  status: STATUS.DEVSEL_MEDIUM | STATUS.FAST_BACK_TO_BACK,
  registers: [
    { offset: 0x0d, size: 1, reset: 0, writable: 0xf8 }, // MLT
    stored(0x50, 2), // PMCCFG
    stored(0x52, 1), // DETURBO
    stored(0x53, 1, 0x83), // DBC
    stored(0x54, 1), // AXC
    stored(0x55, 2), // DRT
    stored(0x57, 1, 0x01), // DRAMC
    stored(0x58, 1, 0x10), // DRAMT
    { offset: REGISTER.PAM0, size: 1, reset: 0, writable: PAM_WRITABLE & 0xf0 },
    ...Array.from({ length: PAM_REGISTERS - 1 }, (_, index) => ({
      offset: REGISTER.PAM0 + 1 + index,
      size: 1 as const,
      reset: 0,
      writable: PAM_WRITABLE,
    })),
    ...Array.from({ length: 8 }, (_, row) => stored(0x60 + row, 1, 0x01)), // DRB
    stored(0x68, 1), // FDHC
    stored(0x70, 1, 0x20), // MTT
    stored(0x71, 1, 0x10), // CLT
    { offset: REGISTER.SMRAM, size: 1, reset: 0x02, writable: SMRAM.WRITABLE },
    stored(0x90, 1), // ERRCMD
    { offset: 0x91, size: 1, reset: 0, cleared: 0x11 }, // ERRSTS
    { offset: 0x93, size: 1, reset: 0, writable: 0x0e }, // TRC
  ],
};

/** Segments that PAM registers switch, in their order: F0000h–FFFFFh, then C0000h–EFFFFh in steps of 16 KiB. */
export const PAM_SEGMENTS = 13;

export interface I440fxWiring {
  /** Where accesses to a segment go, 0 to `PAM_SEGMENTS` − 1. */
  readonly routeSegment: (segment: number, route: RamRoute) => void;
  /** Where accesses to the 128 KiB behind the video adapter go. */
  readonly routeSmram: (route: RamRoute) => void;
}

const RAM: RamRoute = { reads: 'ram', writes: 'ram' };
const BUS: RamRoute = { reads: 'bus', writes: 'bus' };

export class I440fx implements PciFunction, Device {
  readonly name = 'i440fx';
  readonly stateVersion = 1;
  readonly state = { config: new Uint8Array(256) };
  readonly config = new ConfigSpace(DECLARATION, this.state);
  readonly #wiring: I440fxWiring;
  /** SMRAM as it was before the present write: DLCK cannot be taken back. */
  #smram = 0;

  constructor(wiring: I440fxWiring) {
    this.#wiring = wiring;
    this.config.onChange(() => this.#follow());
    this.#follow();
  }

  reset(): void {
    this.config.reset();
  }

  resume(): void {
    this.#smram = this.config.read(REGISTER.SMRAM, 1);
    this.config.resume();
  }

  #follow(): void {
    this.#lockSmram();
    for (let segment = 0; segment < PAM_SEGMENTS; segment++) this.#wiring.routeSegment(segment, this.#route(segment));
    const smram = this.#smram;
    this.#wiring.routeSmram((smram & SMRAM.SMRAME) !== 0 && (smram & SMRAM.DOPEN) !== 0 ? RAM : BUS);
  }

  #route(segment: number): RamRoute {
    // The lower half of PAM0 is reserved.
    const half = segment + 1;
    const attributes = this.config.read(REGISTER.PAM0 + (half >> 1), 1) >>> (4 * (half & 1));
    return { reads: attributes & PAM.RE ? 'ram' : 'bus', writes: attributes & PAM.WE ? 'ram' : 'bus' };
  }

  /** "DLCK": once set, it closes SMRAM, and the register is read-only until the next reset. */
  #lockSmram(): void {
    let smram = this.config.read(REGISTER.SMRAM, 1);
    if (this.#smram & SMRAM.DLCK) smram = this.#smram;
    else if (smram & SMRAM.DLCK) smram &= ~SMRAM.DOPEN;
    this.config.set(REGISTER.SMRAM, smram);
    this.#smram = smram;
  }
}
