/**
 * INT 1Ah, AH=B1h: PCI BIOS. PCI BIOS Specification 2.1.
 *
 * Not modelled: special cycles (nobody listens), and routing (AL=0Eh, 0Fh): operating systems have $PIR and ACPI.
 */
import type { PciPlace } from '../../bus/pci/pci-bus.ts';
import type { Board } from '../board.ts';
import { type CallFrame, fail, succeed } from '../call-frame.ts';
import { PciAccess } from './pci-access.ts';

const STATUS = {
  SUCCESSFUL: 0x00,
  NOT_SUPPORTED: 0x81,
  BAD_VENDOR: 0x83,
  DEVICE_NOT_FOUND: 0x86,
  BAD_REGISTER: 0x87,
} as const;
/** "PCI ". */
const SIGNATURE = 0x2049_4350;
const MECHANISM_1 = 0x01;
const VERSION = 0x0210;
const CLASS = 0x08;

export function pciFunction({ ports }: Pick<Board, 'ports'>, frame: CallFrame): void {
  const pci = new PciAccess(ports);
  const number = frame.al & 0x7f;
  switch (number) {
    case 0x01:
      frame.edx = SIGNATURE;
      frame.bx = VERSION;
      frame.cl = 0; // the last bus
      frame.al = MECHANISM_1;
      return succeed(frame, STATUS.SUCCESSFUL);
    case 0x02: {
      if (frame.dx === 0xffff) return fail(frame, STATUS.BAD_VENDOR);
      const id = frame.cx * 0x1_0000 + frame.dx;
      return find(frame, pci, (place) => pci.read(place, 0, 4) === id);
    }
    case 0x03:
      return find(frame, pci, (place) => pci.read(place, CLASS, 4) >>> 8 === (frame.ecx & 0xff_ffff));
    case 0x08:
    case 0x09:
    case 0x0a:
      return access(frame, pci, (1 << (number - 0x08)) as 1 | 2 | 4, 'read');
    case 0x0b:
    case 0x0c:
    case 0x0d:
      return access(frame, pci, (1 << (number - 0x0b)) as 1 | 2 | 4, 'write');
    default:
      return fail(frame, STATUS.NOT_SUPPORTED);
  }
}

/** SI: how many to pass over. BX: bus, device and function. */
function find(frame: CallFrame, pci: PciAccess, matches: (place: PciPlace) => boolean): void {
  let left = frame.si;
  for (const place of pci.functions()) {
    if (!matches(place) || left-- > 0) continue;
    frame.bx = (place.device << 3) | place.function;
    return succeed(frame, STATUS.SUCCESSFUL);
  }
  fail(frame, STATUS.DEVICE_NOT_FOUND);
}

/** BX: bus, device and function; DI: register, which its width divides. */
function access(frame: CallFrame, pci: PciAccess, size: 1 | 2 | 4, way: 'read' | 'write'): void {
  const register = frame.di;
  if (register > 0xff || register % size !== 0) return fail(frame, STATUS.BAD_REGISTER);
  const place = { device: (frame.bx >>> 3) & 31, function: frame.bx & 7 };
  const name = ({ 1: 'cl', 2: 'cx', 4: 'ecx' } as const)[size];
  const isThere = frame.bh === 0;
  if (way === 'read') frame[name] = isThere ? pci.read(place, register, size) : 0xffff_ffff;
  else if (isThere) pci.write(place, register, frame[name], size);
  succeed(frame, STATUS.SUCCESSFUL);
}
