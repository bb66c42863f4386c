/**
 * The two DMA controllers of a PC with their page registers, as in the 82371SB (PIIX3), order number 290550.
 *
 * Not modelled: the page registers' aliases at 90h–9Fh.
 */
import { bit } from '../base/bits.ts';
import type { Device } from '../bus/device.ts';
import type { DmaChannel } from '../bus/dma-channel.ts';
import type { DmaMemory } from '../bus/dma-memory.ts';
import type { PortDevice } from '../bus/port-bus.ts';
import { Dma8237 } from './dma8237.ts';

/** Where each channel's page stands among the sixteen registers from 80h on; that of channel 4 refreshes memory. */
const PAGE_OF_CHANNEL = [0x7, 0x3, 0x1, 0x2, 0xf, 0xb, 0x9, 0xa] as const;
const CASCADE_CHANNEL = 0;

/** Sixteen bytes, of which seven are pages. The others can be written and read. */
export class DmaPages implements PortDevice, Device {
  readonly name = 'dma-pages';
  readonly stateVersion = 1;
  readonly state = { registers: new Array<number>(16).fill(0) };

  /** Address bits 16–23 of a channel 0–7. */
  page(channel: number): number {
    return this.state.registers[PAGE_OF_CHANNEL[channel]];
  }

  readPort(offset: number): number {
    return this.state.registers[offset];
  }

  writePort(offset: number, value: number): void {
    this.state.registers[offset] = value;
  }

  reset(): void {
    this.state.registers.fill(0);
  }

  resume(): void {}
}

export class DmaPair {
  /** Channels 0–3; its registers stand in consecutive ports. */
  readonly lower: Dma8237;
  /** Channels 4–7. */
  readonly upper: Dma8237;
  /** The upper chip as the bus sees it: each register takes two ports. */
  readonly upperPorts: PortDevice;
  readonly pages = new DmaPages();

  constructor(wiring: { memory: DmaMemory }) {
    const { memory } = wiring;
    const { pages } = this;
    this.upper = new Dma8237({
      name: 'dma2',
      width: 2,
      memory,
      page: (channel) => pages.page(4 + channel),
      granted: () => true,
    });
    this.lower = new Dma8237({
      name: 'dma1',
      width: 1,
      memory,
      page: (channel) => pages.page(channel),
      granted: () => this.upper.cascades(CASCADE_CHANNEL),
    });
    this.upperPorts = {
      name: 'dma2',
      readPort: (offset) => this.upper.readPort(offset >>> 1),
      writePort: (offset, value) => this.upper.writePort(offset >>> 1, value),
    };
  }

  /** What the device at DREQ0–3 or DREQ5–7 works with. */
  channel(index: 0 | 1 | 2 | 3 | 5 | 6 | 7): DmaChannel {
    return bit(index, 2) ? this.upper.channel(index & 3) : this.lower.channel(index);
  }
}
