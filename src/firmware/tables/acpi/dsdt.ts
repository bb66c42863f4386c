/**
 * The differentiated description: what is on the board. Names and objects: ACPI 2.0, chapter 6; identifiers: Plug and Play.
 *
 * Not modelled: sleep states but soft off; a MADT: interrupts are those of the 8259 pair.
 */
import { PCI_WINDOWS, PIRQ_LINES, pirqOfPin } from '../../pci/pci-setup.ts';
import {
  type Aml,
  and,
  argument,
  busRange,
  configFields,
  decrement,
  device,
  dmaChannel,
  eisaId,
  findSetRightBit,
  integer,
  ioPorts,
  ioRange,
  irqs,
  local,
  memoryRange,
  method,
  NOWHERE,
  name,
  or,
  packageOf,
  path,
  resources,
  returns,
  scope,
  shiftLeft,
  store,
  when,
  wordField,
} from './aml.ts';

const LINKS = ['LNKA', 'LNKB', 'LNKC', 'LNKD'] as const;
const ROUTES = ['PRQA', 'PRQB', 'PRQC', 'PRQD'] as const;
const POSSIBLE_LINES = [5, ...new Set(PIRQ_LINES)];
const ROUTE_DISABLED = 0x80;
const STATUS = { DISABLED: 0x09, ENABLED: 0x0b } as const;
/** Where a descriptor of interrupts has their mask. */
const MASK_AT = 1;
/** The configuration mechanism is the bridge's own. */
const MECHANISM = [0xcf8, 0xd00] as const;

/** The body of the table. */
export function dsdtBody({ floppies }: { floppies: number }): Aml {
  return [
    ...name('\\_S5', packageOf([0, 0, 0, 0].map(integer))),
    ...scope('\\_SB', pciBus(floppies), ...LINKS.map((_, index) => link(index))),
  ];
}

function pciBus(floppies: number): Aml {
  return device(
    'PCI0',
    name('_HID', eisaId('PNP0A03')),
    name('_UID', integer(1)),
    name(
      '_CRS',
      resources(
        busRange([0, 0x100]),
        ioPorts(MECHANISM[0], MECHANISM[1] - MECHANISM[0]),
        ioRange([0, MECHANISM[0]]),
        ioRange([MECHANISM[1], 0x1_0000]),
        memoryRange([0xa_0000, 0xc_0000], { cacheable: true }),
        memoryRange(PCI_WINDOWS.MEMORY),
      ),
    ),
    name('_PRT', routing()),
    isaBridge(floppies),
  );
}

/** For each device and pin (0–3), which link it is wired to. */
function routing(): Aml {
  const entries: Aml[] = [];
  for (let number = 1; number < 32; number++)
    for (let pin = 0; pin < 4; pin++) {
      const address = integer(number * 0x1_0000 + 0xffff);
      entries.push(packageOf([address, integer(pin), path(LINKS[pirqOfPin(number, pin + 1)]), integer(0)]));
    }
  return packageOf(entries);
}

function isaBridge(floppies: number): Aml {
  const chip = (called: string, id: string, ...descriptors: readonly number[][]) =>
    device(called, name('_HID', eisaId(id)), name('_CRS', resources(...descriptors)));
  return device(
    'ISA',
    name('_ADR', integer(0x1_0000)),
    configFields('PIRQ', 0x60, ROUTES),
    chip('KBD', 'PNP0303', ioPorts(0x60, 1), ioPorts(0x64, 1), irqs([1])),
    chip('RTC', 'PNP0B00', ioPorts(0x70, 2), irqs([8])),
    chip('TIMR', 'PNP0100', ioPorts(0x40, 4), irqs([0])),
    chip('PIC', 'PNP0000', ioPorts(0x20, 2), ioPorts(0xa0, 2), irqs([2])),
    chip('SPKR', 'PNP0800', ioPorts(0x61, 1)),
    chip('COPR', 'PNP0C04', ioPorts(0xf0, 16), irqs([13])),
    device(
      'COM1',
      name('_HID', eisaId('PNP0501')),
      name('_UID', integer(1)),
      name('_CRS', resources(ioPorts(0x3f8, 8), irqs([4]))),
    ),
    floppies === 0 ? [] : chip('FDC0', 'PNP0700', ioPorts(0x3f0, 6), ioPorts(0x3f7, 1), irqs([6]), dmaChannel(2)),
  );
}

/** An interrupt link: a PIRQ, and the line that the bridge's register routes it to. */
function link(index: number): Aml {
  const route = path(`\\_SB.PCI0.ISA.${ROUTES[index]}`);
  return device(
    LINKS[index],
    name('_HID', eisaId('PNP0C0F')),
    name('_UID', integer(index + 1)),
    name('_PRS', resources(irqs(POSSIBLE_LINES, { shared: true }))),
    method(
      '_STA',
      { parameters: 0 },
      when(and(route, integer(ROUTE_DISABLED), NOWHERE), [returns(integer(STATUS.DISABLED))]),
      returns(integer(STATUS.ENABLED)),
    ),
    method('_DIS', { parameters: 0 }, or(route, integer(ROUTE_DISABLED), route)),
    name('BUFR', resources(irqs([], { shared: true }))),
    method(
      '_CRS',
      { parameters: 0, serialized: true },
      wordField(path('BUFR'), MASK_AT, 'IRQW'),
      when(
        and(route, integer(ROUTE_DISABLED), NOWHERE),
        [store(integer(0), path('IRQW'))],
        [shiftLeft(integer(1), route, path('IRQW'))],
      ),
      returns(path('BUFR')),
    ),
    method(
      '_SRS',
      { parameters: 1, serialized: true },
      wordField(argument(0), MASK_AT, 'IRQW'),
      findSetRightBit(path('IRQW'), local(0)),
      decrement(local(0)),
      store(local(0), route),
    ),
  );
}
