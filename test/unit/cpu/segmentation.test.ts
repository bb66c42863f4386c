import { describe, expect, it } from 'vitest';
import {
  CS,
  DS,
  loadNullSegment,
  loadRealModeSegment,
  refreshSegmentBounds,
  SS,
  translateLogical,
} from '../../../src/cpu/segmentation.ts';
import { faultOf } from '../../support/fake-cpu.ts';
import { createProtectedCpu, enterVirtual8086, type ProtectedCpu, showFault } from '../../support/protected-cpu.ts';

/** Access words: P, DPL, S, type in bits 8–15, D/B at bit 22. */
const DATA = { readWrite: 0x9300, readOnly: 0x9100, downWide: 0x40_9700, down: 0x9700 };
const CODE = { readable: 0x40_9b00, executeOnly: 0x40_9900 };
const SIZES = [1, 2, 4, 8] as const;

function setSegment({ cpu }: ProtectedCpu, segment: number, fields: { base?: number; limit: number; access: number }) {
  const cache = cpu.state.segments[segment];
  Object.assign(cache, { base: 0, ...fields });
  refreshSegmentBounds(cache);
  return cache;
}

/** What an engine's quick check allows; the rest it asks of `translateLogical`. */
const withinBounds = (cache: { low: number; high: number }, offset: number, size: number) =>
  offset >= cache.low && offset + size - 1 <= cache.high && offset + size - 1 < 2 ** 32;

const attempt = (
  machine: ProtectedCpu,
  segment: number,
  offset: number,
  size: number,
  access: 'read' | 'write' | 'execute',
) => showFault(faultOf(() => translateLogical(machine.cpu, segment, offset, size, access)));

describe('limit checking (SDM Vol. 3A, "Limit Checking")', () => {
  it('a byte at an offset greater than the effective limit raises a general-protection exception', () => {
    const machine = createProtectedCpu();
    setSegment(machine, DS, { base: 0x1000, limit: 0xfff, access: DATA.readWrite });
    expect(translateLogical(machine.cpu, DS, 0xfff, 1, 'write')).toBe(0x1fff);
    expect(attempt(machine, DS, 0x1000, 1, 'read')).toBe('#GP(0)');
  });

  it.each(SIZES)('%i bytes must end at or below the limit', (size) => {
    const machine = createProtectedCpu();
    setSegment(machine, DS, { limit: 0xfff, access: DATA.readWrite });
    expect(attempt(machine, DS, 0x1000 - size, size, 'read')).toBe('none');
    expect(attempt(machine, DS, 0x1001 - size, size, 'read')).toBe('#GP(0)');
  });

  it('in the stack segment the same violation raises a stack-fault exception', () => {
    const machine = createProtectedCpu();
    setSegment(machine, SS, { limit: 0xfff, access: DATA.readWrite });
    expect(attempt(machine, SS, 0xffd, 4, 'write')).toBe('#SS(0)');
  });

  it('for expand-down segments the range of valid offsets is from limit + 1 to FFFFFFFFh or FFFFh, by the B flag', () => {
    const machine = createProtectedCpu();
    setSegment(machine, SS, { limit: 0xfff, access: DATA.downWide });
    expect(attempt(machine, SS, 0xfff, 1, 'read')).toBe('#SS(0)');
    expect(attempt(machine, SS, 0x1000, 1, 'read')).toBe('none');
    expect(attempt(machine, SS, 0xffff_fffc, 4, 'read')).toBe('none');
    setSegment(machine, SS, { limit: 0xfff, access: DATA.down });
    expect(attempt(machine, SS, 0xfffe, 2, 'read')).toBe('none');
    expect(attempt(machine, SS, 0xffff, 2, 'read')).toBe('#SS(0)');
  });

  it('an expand-down segment with the largest limit has no valid offset', () => {
    const machine = createProtectedCpu();
    setSegment(machine, DS, { limit: 0xffff_ffff, access: DATA.downWide });
    for (const offset of [0, 1, 0xffff_ffff]) expect(attempt(machine, DS, offset, 1, 'read')).toBe('#GP(0)');
  });

  it('the linear address is the sum of base and offset, modulo 4 GiB', () => {
    const machine = createProtectedCpu();
    setSegment(machine, DS, { base: 0xffff_f000, limit: 0xffff_ffff, access: DATA.readWrite });
    expect(translateLogical(machine.cpu, DS, 0x2000, 4, 'read')).toBe(0x1000);
  });
});

describe('type checking (SDM Vol. 3A, "Type Checking")', () => {
  it('no instruction may write into a data segment if it is not writable', () => {
    const machine = createProtectedCpu();
    setSegment(machine, DS, { limit: 0xfff, access: DATA.readOnly });
    expect(attempt(machine, DS, 0, 1, 'read')).toBe('none');
    expect(attempt(machine, DS, 0, 1, 'write')).toBe('#GP(0)');
  });

  it('no instruction may write into an executable segment', () => {
    const machine = createProtectedCpu();
    setSegment(machine, CS, { limit: 0xfff, access: CODE.readable });
    expect(attempt(machine, CS, 4, 4, 'write')).toBe('#GP(0)');
    expect(attempt(machine, CS, 4, 4, 'read')).toBe('none');
  });

  it('no instruction may read an executable segment unless the readable flag is set', () => {
    const machine = createProtectedCpu();
    setSegment(machine, CS, { limit: 0xfff, access: CODE.executeOnly });
    expect(attempt(machine, CS, 4, 4, 'read')).toBe('#GP(0)');
    expect(attempt(machine, CS, 4, 4, 'execute')).toBe('none');
  });

  it('an access through a null selector raises a general-protection exception', () => {
    const machine = createProtectedCpu();
    loadNullSegment(machine.cpu.state.segments[DS], 0);
    expect(attempt(machine, DS, 0, 1, 'read')).toBe('#GP(0)');
  });

  it('a fault names the check that failed and what it failed on', () => {
    const machine = createProtectedCpu();
    setSegment(machine, DS, { limit: 0xfff, access: DATA.readOnly });
    const fault = faultOf(() => translateLogical(machine.cpu, DS, 0x10, 2, 'write'))!;
    expect(fault.cause.check).toBe('write to a read-only data segment');
    expect(fault.cause.on).toMatchObject({ segment: 'DS', offset: 0x10, size: 2, limit: 0xfff });
  });
});

describe('the bounds that engines check', () => {
  const kinds = { ...DATA, ...CODE };
  it.each(Object.keys(kinds) as (keyof typeof kinds)[])(
    'allow nothing in a %s segment that the exact check refuses',
    (kind) => {
      const machine = createProtectedCpu();
      const edges = [
        0, 1, 2, 7, 0xffc, 0xffd, 0xffe, 0xfff, 0x1000, 0xfffc, 0xffff, 0x1_0000, 0xffff_fff8, 0xffff_ffff,
      ];
      let allowed = 0;
      for (const limit of [0, 1, 0xfff, 0xffff, 0xffff_ffff]) {
        const cache = setSegment(machine, DS, { limit, access: kinds[kind] });
        for (const offset of edges) {
          for (const size of SIZES) {
            for (const access of ['read', 'write'] as const) {
              const high = access === 'read' ? cache.highRead : cache.highWrite;
              if (!withinBounds({ low: cache.low, high }, offset, size)) continue;
              allowed++;
              expect([limit, offset, size, attempt(machine, DS, offset, size, access)]).toEqual([
                limit,
                offset,
                size,
                'none',
              ]);
            }
          }
        }
      }
      if (kind !== 'executeOnly') expect(allowed).toBeGreaterThan(20);
      else expect(allowed).toBe(0);
    },
  );
});

describe('real-address mode', () => {
  it('the segment base is the selector times 16; the limit of the cache stays', () => {
    const machine = createProtectedCpu();
    const { state } = machine.cpu;
    state.cr0 = 0x10;
    setSegment(machine, DS, { limit: 0xffff_ffff, access: DATA.readWrite });
    loadRealModeSegment(state, DS, 0x1234);
    expect(state.segments[DS]).toMatchObject({ selector: 0x1234, base: 0x12340, limit: 0xffff_ffff });
  });

  it('loading CS loads access rights of real mode: writes through CS are allowed', () => {
    const machine = createProtectedCpu();
    const { state } = machine.cpu;
    state.cr0 = 0x10;
    loadRealModeSegment(state, CS, 0x0100);
    expect(attempt(machine, CS, 0, 1, 'write')).toBe('none');
  });

  it('a segment that a null selector made unusable works again, with a limit of 64 KiB', () => {
    const machine = createProtectedCpu();
    const { state } = machine.cpu;
    loadNullSegment(state.segments[DS], 0);
    state.cr0 = 0x10;
    loadRealModeSegment(state, DS, 0x10);
    expect(attempt(machine, DS, 0xffff, 1, 'write')).toBe('none');
    expect(attempt(machine, DS, 0xffff, 2, 'write')).toBe('#GP(0)');
  });
});

describe('virtual-8086 mode', () => {
  it('segments have a limit of FFFFh and DPL 3', () => {
    const machine = createProtectedCpu();
    enterVirtual8086(machine, { iopl: 0, selector: 0xffff });
    expect(machine.cpu.state.segments[DS]).toMatchObject({ base: 0xffff0, limit: 0xffff, access: 0xf300 });
    expect(translateLogical(machine.cpu, DS, 0xffff, 1, 'write')).toBe(0x10_ffef);
    expect(attempt(machine, SS, 0xffff, 2, 'write')).toBe('#SS(0)');
  });
});
