import { describe, expect, it } from 'vitest';
import { type Region, successorsOf, type Target } from '../../../../../src/engine/jit/finder/region.ts';
import { FIRST_PHYSICAL, RegionCode, type RegionCodeOptions } from '../../../../support/region-code.ts';

/** Its blocks: "label: instructions, how it ends". What lies outside has a `*`. */
function describeBlocks(code: RegionCode, region: Region): string[] {
  const to = ({ offset, block }: Target) => (block === undefined ? `*${code.name(offset)}` : code.name(offset));
  return region.blocks.map(({ offset, instructions, end, followsRepeat }) => {
    const behind =
      end.kind === 'leaves'
        ? `leaves at ${code.name(end.offset)}`
        : end.kind === 'branches'
          ? `branches to ${to(end.taken)}, else ${to(end.next)}`
          : end.kind === 'computed'
            ? `jumps to ${[...end.candidates.map(to), ...(end.dispatch ? [`block ${end.dispatch.block}`] : [])].join(' or ') || 'anywhere'}${end.next ? `, else ${to(end.next)}` : ''}`
            : end.kind === 'dispatches'
              ? `dispatches to ${end.candidates.map(to).join(' or ')}`
              : `${end.kind} to ${to(end.to)}`;
    return `${code.name(offset)}: ${instructions.length}, ${behind}${followsRepeat ? ', follows a repeat' : ''}`;
  });
}

const blocksOf = (source: string, options?: RegionCodeOptions & { limit?: number }, first = 'start'): string[] => {
  const code = new RegionCode(source, options);
  return describeBlocks(code, code.region(first, options?.limit));
};
const entriesOf = (code: RegionCode, region: Region) =>
  region.entries.map(({ trace, block }) => {
    expect(region.blocks[block].offset).toBe(region.traces[trace].offset);
    return code.name(region.traces[trace].offset);
  });

describe('a region', () => {
  it('of one loop is one block that goes back to itself', () => {
    const code = new RegionCode('start: inc eax\n add ebx, eax\n dec ecx\n jnz start\n after:');
    const region = code.region('start');
    expect(describeBlocks(code, region)).toEqual(['start: 4, branches to start, else *after']);
    expect(region.traces).toEqual([{ offset: 0, length: code.offset('after') }]);
    expect(region.pages).toEqual([{ offset: 0, physical: FIRST_PHYSICAL }]);
    expect(region.entries).toEqual([{ trace: 0, block: 0 }]);
    expect(region.blocks[0].instructions.map(({ way }) => way)).toEqual(['emitted', 'emitted', 'emitted', 'emitted']);
  });

  it('is cut where control comes in, and behind each branch', () => {
    expect(
      blocksOf(`start: inc eax
        middle: inc ebx
        test al, 1
        jz start
        between: inc edx
        dec ecx
        jnz middle
        last: inc esi
        jmp start`),
    ).toEqual([
      'start: 1, falls to middle',
      'middle: 3, branches to start, else between',
      'between: 3, branches to middle, else last',
      'last: 2, jumps to start',
    ]);
  });

  it('has what overlapping code there is twice, each with its own instructions', () => {
    // A prefix that a jump leaves out: two instructions in the same place.
    const code = new RegionCode('start: db 0x66\n inner: mov eax, 0x12345678\n dec ecx\n jnz inner\n jmp start');
    const { blocks } = code.region('start');
    const [whole, without] = ['start', 'inner'].map((label) => {
      return blocks.find(({ offset }) => offset === code.offset(label))!.instructions[0];
    });
    expect([whole.length, without.length]).toEqual([4, 5]);
  });

  it('ends where the interpreter has never been', () => {
    const source = 'start: dec ecx\n jz away\n inc eax\n jmp start\n away: inc ebx\n jmp start';
    expect(blocksOf(source, { cold: ['away'] })[0]).toBe('start: 2, branches to *away, else 3');
    expect(blocksOf(source)[0]).toBe('start: 2, branches to away, else 3');
  });

  it('leaves before what it cannot do', () => {
    const code = new RegionCode('start: inc eax\n push eax\n far: ud2');
    expect(describeBlocks(code, code.region('start'))).toEqual(['start: 2, leaves at far']);
  });

  it('lets the interpreter do what neither restarts nor transfers control', () => {
    const code = new RegionCode('start: inc eax\n in al, dx\n cpuid\n jmp start');
    const ways = code.region('start').blocks.flatMap(({ instructions }) => instructions.map(({ way }) => way));
    expect(ways).toEqual(['emitted', 'called', 'called', 'emitted']);
  });

  it('lets it do what it is told to, but for branches', () => {
    const source = 'start: inc eax\n load: mov ebx, [ecx]\n dec edx\n branch: jnz start';
    const { blocks } = new RegionCode(source, { called: ['load', 'branch'] }).region('start');
    expect(blocks[0].instructions.map(({ way }) => way)).toEqual(['emitted', 'called', 'emitted', 'emitted']);
  });

  it('is not made of such instructions alone, nor of none', () => {
    expect(new RegionCode('start: in al, dx\n hlt').find('start')).toBeUndefined();
    expect(new RegionCode('start: ud2').find('start')).toBeUndefined();
    expect(new RegionCode('start: inc eax\n jmp start', { cold: ['start'] }).find('start')).toBeUndefined();
  });

  it('goes on behind a repeated instruction, which uses any number of instructions', () => {
    const blocks = blocksOf('start: mov ecx, 3\n rep movsb\n behind: dec edx\n jnz start\n after:');
    expect(blocks).toEqual([
      'start: 2, falls to behind',
      'behind: 2, branches to start, else *after, follows a repeat',
    ]);
  });
});

describe('calls', () => {
  const CALL = `start: push eax
    call routine
    back: dec ecx
    jnz start
    jmp after
    routine: inc ebx
    ret
    after:`;

  it('and where they come back to are part of it, and the return knows where to', () => {
    const code = new RegionCode(CALL);
    const region = code.region('start');
    expect(describeBlocks(code, region)).toEqual([
      'start: 2, jumps to routine',
      'routine: 2, jumps to back',
      'back: 2, branches to start, else 9',
      '9: 1, jumps to *after',
    ]);
    expect(entriesOf(code, region)).toEqual(['start']);
    const routine = region.blocks.findIndex(({ offset }) => offset === code.offset('routine'));
    const back = region.blocks.findIndex(({ offset }) => offset === code.offset('back'));
    expect(successorsOf(region.blocks[routine])).toEqual([back]);
  });

  it('of what is not part of it come back by an entry', () => {
    const code = new RegionCode(CALL, { cold: ['routine'] });
    const region = code.region('start');
    expect(describeBlocks(code, region)[0]).toBe('start: 2, jumps to *routine');
    expect(entriesOf(code, region)).toEqual(['start', 'back']);
  });

  it('of a computed address come back by an entry', () => {
    const code = new RegionCode('start: inc eax\n call [eax]\n back: dec ecx\n jnz start\n after:');
    const region = code.region('start');
    expect(entriesOf(code, region)).toEqual(['start', 'back']);
    expect(describeBlocks(code, region)[0]).toBe('start: 2, jumps to anywhere');
  });

  it('through other calls find the return behind them', () => {
    const code = new RegionCode(
      `start: call outer
      back: dec ecx
      jnz start
      jmp after
      outer: inc eax
      call inner
      behind: inc eax
      ret
      inner: inc ebx
      ret
      after:`,
    );
    const blocks = describeBlocks(code, code.region('start'));
    expect(blocks).toContain('behind: 2, jumps to back');
    expect(blocks).toContain('inner: 2, jumps to behind');
  });

  it('from more places than are compared come back by the address', () => {
    const calls = ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => `call routine\n back_${name}: inc eax`).join('\n');
    const code = new RegionCode(`start: ${calls}\n jmp start\n routine: inc ebx\n ret`);
    const blocks = describeBlocks(code, code.region('start'));
    expect(blocks.find((line) => line.startsWith('routine'))).toMatch(/^routine: 2, jumps to back_\w( or back_\w){3}$/);
  });

  it('that return from the middle of a routine are told so', () => {
    const code = new RegionCode(`${CALL.replace('inc ebx', 'inc ebx\n jz long\n ret\n long: inc edx')}`);
    expect(describeBlocks(code, code.region('start')).filter((line) => line.includes('jumps to back'))).toHaveLength(2);
  });
});

describe('limits', () => {
  const CHAIN = `start: inc eax
    jmp second
    nop
    second: inc eax
    inc ebx
    jmp third
    nop
    third: inc edx
    jmp start`;

  it('of instructions leave out the traces that would be too many', () => {
    expect(blocksOf(CHAIN, { limit: 7 })).toHaveLength(3);
    expect(blocksOf(CHAIN, { limit: 6 })).toEqual(['start: 2, jumps to second', 'second: 3, jumps to *third']);
    expect(blocksOf(CHAIN, { limit: 4 })).toEqual(['start: 2, jumps to *second']);
    expect(blocksOf(CHAIN, { limit: 1 })).toEqual(['start: 1, falls to *1']);
  });

  it('of pages leave out what lies in a seventeenth', () => {
    const pages = Array.from({ length: 18 }, (_, index) => {
      const next = index === 17 ? 'p0' : `p${index + 1}`;
      return `align 4096\n p${index}: inc eax\n jmp ${next}`;
    });
    const code = new RegionCode(pages.join('\n'), { base: 'p0' });
    const region = code.region('p0');
    expect(region.pages).toEqual(
      Array.from({ length: 16 }, (_, page) => ({ offset: page * 4096, physical: code.page(page * 4096) })),
    );
    expect(describeBlocks(code, region).at(-1)).toBe('p15: 2, jumps to *p16');
  });

  it('count from the page of the first block, in both directions', () => {
    const code = new RegionCode('low: inc eax\n jmp high\n align 4096\n high: inc ebx\n jmp low', { base: 'high' });
    const region = code.region('high');
    expect(region.pages).toEqual([
      { offset: 0, physical: FIRST_PHYSICAL },
      { offset: -4096, physical: FIRST_PHYSICAL - 1 },
    ]);
    expect(region.traces.map(({ offset }) => offset)).toEqual([0, -4096]);
    expect(describeBlocks(code, region)).toEqual(['high: 2, jumps to low', 'low: 2, jumps to high']);
  });
});

describe('computed jumps', () => {
  const ways = (count: number, end: string): string =>
    Array.from({ length: count }, (_, way) => `way_${way}: add ebx, ${way}\n ${end}`).join('\n');
  const names = (count: number): string[] => Array.from({ length: count }, (_, way) => `way_${way}`);

  it('that were seen to go to few places are compared with them', () => {
    const source = `start: inc eax\n jump: jmp [esi + eax * 4]\n ${ways(4, 'jmp start')}`;
    expect(blocksOf(source, { targets: { jump: names(4) } })).toEqual([
      'start: 2, jumps to way_0 or way_1 or way_2 or way_3',
      ...names(4).map((way) => `${way}: 2, jumps to start`),
    ]);
    const code = new RegionCode(source, { targets: { jump: names(4) } });
    expect(code.region('start').jumps).toEqual([
      { offset: code.offset('jump'), known: names(4).map((way) => code.offset(way)) },
    ]);
  });

  it('that were seen to go to many places have a block that finds the right one', () => {
    const source = `start: inc eax\n jump: jmp [esi + eax * 4]\n ${ways(5, 'jmp start')}`;
    const blocks = blocksOf(source, { targets: { jump: names(5) } });
    expect(blocks[0]).toBe('start: 2, jumps to block 6');
    expect(blocks[6]).toBe('way_0: 0, dispatches to way_0 or way_1 or way_2 or way_3 or way_4');
    expect(blocks.length).toBe(7);
  });

  it('share that block if they go to the same places, and only then', () => {
    const jump = (way: number) => `inc eax\n jump_${way}: jmp [esi + eax * 4]`;
    const threaded = `start: inc eax\n jump: jmp edx\n ${names(12)
      .map((name, way) => `${name}: ${jump(way)}`)
      .join('\n')}`;
    const [some, others] = [names(12).slice(0, 6), names(12).slice(6)];
    // Those of the second half meet by one that two jumps have in common.
    const targets = {
      jump: some,
      jump_0: some.slice(1),
      jump_1: [...some.slice(4), 'start', 'way_0', 'way_1'],
      jump_2: others,
    };
    const blocks = blocksOf(threaded, { targets });
    const dispatches = blocks.filter((line) => line.includes('dispatches'));
    expect(dispatches.map((line) => line.split(' or ').length).sort()).toEqual([6, 7]);
    const ends = blocks.filter((line) => line.includes('to block')).map((line) => line.split('to ')[1]);
    expect(ends[0]).toBe(ends[1]);
    expect(ends[0]).toBe(ends[2]);
    expect(ends[3]).not.toBe(ends[0]);
    expect(ends.length).toBe(4);
  });

  it('leave out what is cold, or in too many pages', () => {
    const source = `start: inc eax\n jump: jmp edx\n ${names(20)
      .map((way) => `times 4080 nop\n ${way}: jmp start`)
      .join('\n')}`;
    const [first] = blocksOf(source, { targets: { jump: names(20) }, cold: ['way_0'] });
    expect(first).toMatch(/^start: 2, jumps to block \d+$/);
    const all = blocksOf(source, { targets: { jump: names(20) }, cold: ['way_0'] });
    expect(all.at(-1)).toMatch(/^way_1: 0, dispatches to way_1 or way_2/);
    expect(all.at(-1)).not.toContain('way_19');
    expect(blocksOf(source, { targets: { jump: names(3) }, cold: names(20) })[0]).toBe('start: 2, jumps to anywhere');
  });

  it('make room for more instructions where they go to many places', () => {
    const source = (count: number) => `start: inc eax\n jump: jmp edx\n ${ways(count, 'times 5 nop\n jmp start')}`;
    const size = (count: number) => blocksOf(source(count), { targets: { jump: names(count) }, limit: 16 }).length;
    expect(size(4)).toBe(1 + 2);
    expect(size(5)).toBe(1 + 5 + 1);
  });

  it('with hundreds of calls and jumps to dozens of places each are found in time', () => {
    // One search for each call and each of its targets took 14 s: this test ended by its time limit.
    const count = 300;
    const places = (from: number, step: number) =>
      Array.from({ length: 64 }, (_, place) => `jump_${(from + place * step) % count}`);
    const all = Array.from({ length: count }, (_, index) => index);
    const calls = all.map((index) => `call_${index}: call eax`);
    const jumps = all.map((index) => `jump_${index}: jmp eax`);
    const targets = Object.fromEntries(
      all.flatMap((index) => [
        [`call_${index}`, places(index, 3)],
        [`jump_${index}`, index === 0 ? ['back'] : places(index + 1, 5)],
      ]),
    );
    const source = `start:\n${calls.join('\n')}\njmp start\n${jumps.join('\n')}\nback: ret`;
    const blocks = blocksOf(source, { targets, limit: 200 });
    expect(blocks.length).toBeGreaterThan(200);
  });

  it('that call come back through the returns of what they call', () => {
    const source = `start: inc eax
      jump: call [esi + eax * 4]
      back: dec ecx
      jnz start
      one: inc ebx
      ret
      two: inc edx
      ret 4`;
    const targets = { jump: ['one', 'two'] };
    const code = new RegionCode(source, { targets });
    expect(describeBlocks(code, code.region('start'))).toEqual([
      'start: 2, jumps to one or two',
      'one: 2, jumps to back',
      'two: 2, jumps to back',
      'back: 2, branches to start, else one',
    ]);
    expect(entriesOf(code, code.region('start'))).toEqual(['start']);
    // What is called may be something else.
    const partly = new RegionCode(source, { targets, cold: ['two'] });
    expect(entriesOf(partly, partly.region('start'))).toEqual(['start', 'back']);
  });

  it('in a routine are not where it returns', () => {
    const blocks = blocksOf(
      `start: call routine
      back: dec ecx
      jnz start
      jmp after
      routine: inc eax
      jump: jmp [esi + eax * 4]
      one: ret
      after:`,
      { targets: { jump: ['one'] } },
    );
    expect(blocks).toContain('routine: 2, jumps to one');
    expect(blocks).toContain('one: 1, jumps to back');
  });

  it('that return remember nothing', () => {
    expect(new RegionCode('start: inc eax\n ret').region('start').jumps).toEqual([]);
    expect(new RegionCode('start: inc eax\n jmp [esp]').region('start').jumps.length).toBe(1);
  });
});
