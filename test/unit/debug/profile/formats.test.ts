/** Profiles as files and as text, of data made up for it. */
import { describe, expect, it } from 'vitest';
import { AddressNamer } from '../../../../src/debug/profile/address-namer.ts';
import { writeCollapsedStacks } from '../../../../src/debug/profile/collapsed-stacks.ts';
import type { GuestProfile } from '../../../../src/debug/profile/guest-profiler.ts';
import { createSpeedscopeFile } from '../../../../src/debug/profile/speedscope.ts';
import { summarize } from '../../../../src/debug/profile/summary.ts';
import { readSymbolFile } from '../../../../src/debug/profile/symbol-file.ts';
import { noExits } from '../../../../src/engine/profile/region-ledger.ts';

const namer = new AddressNamer([
  readSymbolFile(new TextEncoder().encode('c0001000 T schedule\nc0002000 T odd;name\nc0003000 D end\n'), 'map'),
]);
const region = (linear: number, user: boolean, retired: number, entered: number) => ({
  ...{ physical: linear % 2 ** 28, linear, user, linked: 1, instructions: 20, entered, retired, refused: 0 },
  exits: { ...noExits(), branch: entered, memory: 1 },
});
const nothing = { linked: 0, instructions: 0, entered: 0, retired: 0, refused: 0, exits: noExits() };

const full: GuestProfile = {
  name: 'vm1',
  interval: 1000,
  samples: [
    { user: false, addresses: [0xc000_1004, 0xc000_2008] },
    { user: true, addresses: [0x0804_8123] },
    { user: false, addresses: [0xc000_1008, 0xc000_2008] },
  ],
  processor: {
    instructions: 4000,
    events: [
      { kind: 'exception', vector: 14, count: 12 },
      { kind: 'external', vector: 0x30, count: 1234 },
      { kind: 'nmi', vector: 2, count: 1 },
      { kind: 'exception', vector: 9, count: 2 },
    ],
    pageWalks: 77,
    engine: {
      helpers: { a: 1, b: 2, c: 3, d: 4, e: 5, f: 6, g: 7, h: 8 },
      calls: { memory: 5, lookUp: 6, cutBlock: 7, translate: 8, fault: 9 },
      decodedBlocks: 10,
      translation: {
        regions: [region(0xc000_1000, false, 2000, 100), region(0x0804_8000, true, 1000, 0)],
        others: nothing,
        ...{ live: 1, compiled: 2, modules: 1, codeBytes: 3000, reused: 1, loweringTime: 12.4, compileTime: 3.5 },
        ...{ changedPages: 2, cooledPages: 1 },
      },
    },
  },
};
const bare: GuestProfile = {
  name: 'vm2',
  interval: 1000,
  samples: [],
  processor: { instructions: 10, events: [], pageWalks: 0 },
};

describe('createSpeedscopeFile', () => {
  const file = createSpeedscopeFile([full, bare], namer, { name: 'n', exporter: 'vetro 1' });

  it('is what the schema demands', () => {
    // What speedscope's schema requires of a file and of a sampled profile, and how the two belong together.
    expect(JSON.parse(JSON.stringify(file))).toEqual(file);
    expect(file.$schema).toBe('https://www.speedscope.app/file-format-schema.json');
    expect([file.name, file.exporter, file.activeProfileIndex]).toEqual(['n', 'vetro 1', 0]);
    expect(file.profiles).toHaveLength(2);
    for (const profile of file.profiles) {
      expect(profile).toMatchObject({ type: 'sampled', unit: 'none', startValue: 0 });
      expect(profile.samples).toHaveLength(profile.weights.length);
      expect(profile.endValue).toBe(profile.weights.reduce((sum, weight) => sum + weight, 0));
      for (const frame of profile.samples.flat()) expect(file.shared.frames[frame].name).toEqual(expect.any(String));
    }
  });

  it('has the stacks, the outermost frame first, and each frame once', () => {
    const [{ samples, weights, name }, other] = file.profiles;
    expect(file.shared.frames).toEqual([
      { name: 'kernel' },
      { name: 'odd;name' },
      { name: 'schedule' },
      { name: 'user' },
      { name: 'user 08048xxx' },
    ]);
    expect([name, samples, weights]).toEqual([
      'vm1',
      [
        [0, 1, 2],
        [3, 4],
        [0, 1, 2],
      ],
      [1000, 1000, 1000],
    ]);
    expect([other.name, other.samples, other.endValue]).toEqual(['vm2', [], 0]);
  });

  it('has the figures beside them', () => {
    const [first, second] = file.vetro.guests;
    expect(first).toMatchObject({
      name: 'vm1',
      sampleInterval: 1000,
      instructions: 4000,
      pageWalks: 77,
      decodedBlocks: 10,
    });
    expect(first.helpers).toEqual(full.processor.engine!.helpers);
    expect(first.translation).toMatchObject({ live: 1, codeBytes: 3000, others: nothing });
    expect(first.translation!.regions.map((one) => [one.linear, one.function])).toEqual([
      [0xc000_1000, 'schedule'],
      [0x0804_8000, undefined],
    ]);
    expect(second).toEqual({ name: 'vm2', sampleInterval: 1000, instructions: 10, events: [], pageWalks: 0 });
  });
});

describe('writeCollapsedStacks', () => {
  it('adds equal stacks up, a line each; no name holds a semicolon', () => {
    expect(writeCollapsedStacks([full], namer)).toBe('kernel;odd:name;schedule 2000\nuser;user 08048xxx 1000\n');
  });

  it('of several guests begins with their names; of none it is empty', () => {
    expect(writeCollapsedStacks([full, bare], namer)).toBe(
      'vm1;kernel;odd:name;schedule 2000\nvm1;user;user 08048xxx 1000\n',
    );
    expect(writeCollapsedStacks([bare], namer)).toBe('');
  });
});

describe('summarize', () => {
  it('says the most important in a page', () => {
    expect(summarize(full, namer).join('\n')).toBe(`profile of vm1: 4,000 instructions
  engine      75.0 % in regions, 25.0 % interpreted
  regions     2 compiled in 1 modules, 3 KiB, 12 ms to lower, 4 ms to compile, 1 reused, 1 at work, 1 pages cooled
  left by     branch 100, memory 2
  calls       memory accesses 5, page walks 77, look-ups 6, blocks decoded 10
  helpers     h 8, g 7, f 6, e 5, d 4, c 3, 2 others 3
  events      interrupt 30h 1,234, #PF 12, exception 9 2, NMI 1
  samples     3, every 1,000 instructions

  instructions   share  entries  per entry  mostly left by  region
         2,000  50.0 %      100         20  branch          c0001000 schedule
         1,000  25.0 %        0          -  memory          08048000 user`);
  });

  it('of an engine that counts nothing, and a run too short for a sample', () => {
    expect(summarize(bare, namer)).toEqual([
      'profile of vm2: 10 instructions',
      '  events      none',
      '  samples     none: one every 1,000 instructions',
    ]);
  });

  it('shows what stands out in the style of the terminal', () => {
    const [first, second] = summarize(full, namer, { strong: (text) => `<${text}>`, faint: (text) => `(${text})` });
    expect(first).toBe('<profile of vm1: 4,000 instructions>');
    expect(second).toMatch(/^ {2}\(engine {6}\)75/);
  });
});
