/** A guest that does anything to floppy controller and DMA: mostly random accesses, now and then a whole command. */
import { type Device, resetDevices } from '../../src/bus/device.ts';
import { Random } from '../../src/difftest/random.ts';
import { BenchMedium, createFdc, program } from './floppy.ts';

const COMMANDS = [
  [0x42, 9],
  [0x45, 9],
  [0x46, 9],
  [0xe6, 9],
  [0x49, 9],
  [0x4a, 2],
  [0x4c, 9],
  [0x4d, 6],
  [0x51, 9],
  [0x56, 9],
  [0x59, 9],
  [0x5d, 9],
  [0x07, 2],
  [0x0f, 3],
  [0x8f, 3],
  [0x03, 3],
  [0x13, 4],
  [0x08, 1],
  [0x0e, 1],
] as const;
const SIZES = [160, 180, 320, 360, 720, 1200, 1440, 1680, 2880];

export interface FuzzReport {
  /** Bytes of the longest state seen, as JSON. */
  longestState: number;
  /** Most bytes that one access, or one alarm, moved from or to memory. */
  mostMoved: number;
  /** Alarms fired. */
  alarms: number;
  /** Steps of transfers seen: whether the guest got anywhere. */
  steps: Set<string>;
  /** Results with no error. */
  successes: number;
}

/** @throws what a chip throws, and an Error for an answer out of range */
export function fuzzFloppy(accesses: number, seed: number): FuzzReport {
  const random = new Random(seed);
  const media = SIZES.map((kib) => new BenchMedium(kib * 1024, { readOnly: kib === 720 }));
  const drives = [{ medium: media[6] }, { medium: media[3], type: '1.2M' }] as const;
  const { fdc, clock, pair, memory } = createFdc({ drives });
  const devices: Device[] = [fdc, pair.lower, pair.upper, pair.pages];
  const report: FuzzReport = { longestState: 0, mostMoved: 0, alarms: 0, steps: new Set(), successes: 0 };

  let moved = 0;
  const write = memory.write.bind(memory);
  const read = memory.read.bind(memory);
  memory.write = (address, bytes) => {
    if (!(address >= 0 && address + bytes.length <= 0x100_0000)) throw new Error(`DMA to ${address}`);
    moved += bytes.length;
    write(address, bytes);
  };
  memory.read = (address, length) => {
    if (!(address >= 0 && address + length <= 0x100_0000)) throw new Error(`DMA from ${address}`);
    moved += length;
    return read(address, length);
  };
  const setAlarm = clock.setAlarm.bind(clock);
  clock.setAlarm = (at, fire, options) =>
    setAlarm(
      at,
      () => {
        moved = 0;
        report.alarms++;
        fire();
        report.mostMoved = Math.max(report.mostMoved, moved);
      },
      options,
    );

  const ports = [
    { device: fdc, count: 8 },
    { device: pair.lower, count: 16 },
    { device: pair.upperPorts, count: 32 },
    { device: pair.pages, count: 16 },
  ];
  const small = () => (random.oneIn(3) ? random.below(256) : random.below(20));
  const setUp = () => {
    pair.upper.writePort(0x0d, 0);
    pair.upper.writePort(0x0b, 0xc0);
    pair.upper.writePort(0x0a, 0);
    pair.lower.writePort(8, 0);
    const address = random.oneIn(4) ? random.below(0x100_0000) : random.below(0x10_0000);
    program(pair, 2, {
      address,
      bytes: 1 + random.below(random.oneIn(2) ? 4096 : 65536),
      mode: random.pick([0x44, 0x48, random.below(64) << 2]),
    });
    fdc.writePort(2, 0x3c | random.below(2));
    const drive = random.below(2);
    fdc.writePort(7, random.oneIn(4) ? random.below(4) : (fdc.drives[drive].rate ?? 0));
    return drive;
  };
  const command = () => {
    const [first, length] = random.pick(COMMANDS);
    const patient = random.oneIn(2);
    let select = random.below(8);
    if (patient) {
      select = setUp() | (select & 4);
      clock.advance(1_000_000);
    }
    const bytes = [first, select, ...Array.from({ length: length - 2 }, small)];
    if (length === 9 && !random.oneIn(3)) {
      const { cylinder } = fdc.state.drives[bytes[1] & 1];
      bytes.splice(2, 5, cylinder, (bytes[1] >>> 2) & 1, 1 + random.below(9), 2, 9 + random.below(9));
    }
    for (let count = 0; count < 10 && fdc.state.phase === 'result'; count++) fdc.readPort(5);
    for (const byte of bytes.slice(0, length)) fdc.writePort(5, byte);
    // Now and then it waits.
    for (let round = 0; round < 20 && patient; round++) {
      if (fdc.state.transfer) report.steps.add(fdc.state.transfer.step);
      clock.advance(500_000);
    }
    if (fdc.state.result.length === 7 && (fdc.state.result[0] & 0xc0) === 0) report.successes++;
  };
  for (let access = 0; access < accesses; access++) {
    moved = 0;
    const { device, count } = random.pick(random.oneIn(2) ? ports : ports.slice(0, 1));
    const offset = random.below(count);
    if (random.oneIn(2)) {
      const value = device.readPort(offset, 1);
      if (!(Number.isInteger(value) && value >= 0 && value <= 0xff)) throw new Error(`${offset} read as ${value}`);
    } else if (!random.oneIn(8) || device !== fdc || offset !== 2) device.writePort(offset, random.below(256), 1);
    report.mostMoved = Math.max(report.mostMoved, moved);
    if (random.oneIn(60)) setUp();
    if (random.oneIn(12)) command();
    if (random.oneIn(6)) for (let index = 0; index < 10; index++) fdc.readPort(5);
    if (random.oneIn(3)) clock.advance(random.below(random.pick([500_000_000, 5_000_000, 500_000, 500_000])));
    if (fdc.state.transfer) report.steps.add(fdc.state.transfer.step);
    if (random.oneIn(3000)) resetDevices(devices);
    if (random.oneIn(1000)) {
      const drive = random.below(2);
      const fitting = media.filter(({ size }) => (size === 1200 * 1024 || size < 500_000) === (drive === 1));
      if (random.oneIn(5)) fdc.eject(drive);
      else fdc.insert(drive, random.pick(fitting.filter(({ size }) => size !== 2880 * 1024)));
    }
    if (access % 997 === 0)
      report.longestState = Math.max(report.longestState, JSON.stringify(devices.map(({ state }) => state)).length);
  }
  return report;
}
