/** Our BIOS in a PC: its ROM, its port, and the board as it sees it. */
import type { PortBus } from '../bus/port-bus.ts';
import { CS } from '../cpu/segmentation.ts';
import type { Processor } from '../engine/processor.ts';
import { Bios } from '../firmware/bios.ts';
import type { Drives } from '../firmware/board.ts';
import { ROM_SEGMENT, romImage } from '../firmware/rom.ts';
import { ROM_LABELS } from '../firmware/rom-image.ts';
import type { BiosBoot } from './boot.ts';
import { BusMemory, CallerMemory } from './firmware-memory.ts';
import { MEMORY, PORTS, USUAL_BOOT_ORDER } from './pc-map.ts';

/** `ide`: drives on the cables. */
interface BoardParts {
  readonly processor: Processor;
  readonly ports: PortBus;
  readonly ide: Pick<Drives, 'disk' | 'cd'>;
  readonly onHostError?: ((line: string) => void) | undefined;
}

export function installBios(options: BiosBoot['bios'] & BoardParts): Bios {
  const { processor, ports, order = USUAL_BOOT_ORDER } = options;
  const drives = options.drives ?? { floppy: options.floppies ?? [], ...options.ide };
  const { memory, clock } = processor;
  const physical = new BusMemory(memory);
  const bios = new Bios({
    clock,
    ports,
    physical,
    memory: new CallerMemory(processor, physical),
    ramBytes: memory.size,
    wake: () => {
      const { state } = processor;
      if (state.segments[CS].selector === ROM_SEGMENT && state.ip === ROM_LABELS.halted) state.halted = 0;
    },
    drives,
    bootOrder: order,
    menuWait: options.menuWait ?? 0,
    onHostError: (line) => options.onHostError?.(line),
    onNothingToBoot: (tried) => options.onNothingToBoot?.(tried),
  });
  const rom = romImage();
  memory.addRom(MEMORY.BIOS[0], rom);
  memory.addRom(MEMORY.RESET_ROM[0], rom);
  ports.attach(PORTS.FIRMWARE, bios);
  return bios;
}
