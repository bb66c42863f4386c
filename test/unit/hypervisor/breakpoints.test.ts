/** Breakpoints of a guest: it pauses and says so. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StateError, UserError } from '../../../src/base/errors.ts';
import type { BreakpointHit } from '../../../src/engine/breakpoints.ts';
import { createPlatform } from '../../../src/host/platform.ts';
import { Host } from '../../../src/hypervisor/host.ts';
import { assemble } from '../../../src/isa/assemble.ts';

const { bytes, labels } = assemble(`
org 0x7c00
bits 16
start: mov cx, 3
again: inc ax
       mov [0x600], ax
       loop again
       cli
       hlt`);
const AGAIN = labels.get('again')!;

describe.each(['interpreter', 'jit', 'reference'] as const)('U1: guest.breakpoints, %s', (engine) => {
  let host: Host;
  beforeEach(() => {
    host = new Host({ platform: createPlatform() });
  });
  afterEach(() => host.dispose());
  const create = async () => {
    const guest = await host.createGuest({ boot: { image: bytes }, memory: 1, engine });
    const hits: BreakpointHit[] = [];
    guest.on('breakpoint', (hit) => hits.push(hit));
    return { guest, hits };
  };

  it('a guest that meets one is paused, says which, and goes on with run()', async () => {
    const { guest, hits } = await create();
    const instruction = guest.breakpoints.add({ address: AGAIN });
    const data = guest.breakpoints.add({ address: 0x601, kind: 'write' });
    expect(guest.breakpoints.list).toEqual([instruction, data]);
    const states: string[] = [];
    let stopped = false;
    guest.on('breakpoint', () => {
      states.push(`${guest.state} ${guest.instructions}`);
      setTimeout(() => void guest.run().then(() => (stopped = true)), 0);
    });
    expect(await guest.run()).toEqual({ reason: 'halted' });
    expect(states).toEqual(['paused 1', 'paused 3', 'paused 4', 'paused 6', 'paused 7', 'paused 9']);
    expect(hits.map(({ breakpoint }) => breakpoint)).toEqual([instruction, data, instruction, data, instruction, data]);
    expect(hits[1]).toMatchObject({ access: 'write', address: 0x600, size: 2 });
    await new Promise((resolve) => setTimeout(resolve, 0));
    expect(stopped).toBe(true);
  });

  it('runTo comes back at one; a step onto one reports it, a step from one passes it', async () => {
    const { guest, hits } = await create();
    guest.breakpoints.add({ address: AGAIN });
    expect(await guest.runTo(100)).toBe('breakpoint');
    expect([guest.state, guest.instructions, hits.length]).toEqual(['paused', 1, 1]);
    guest.step();
    expect([guest.instructions, hits.length]).toEqual([2, 1]);
    guest.step();
    guest.step();
    expect([guest.instructions, hits.length]).toEqual([4, 2]);
    guest.breakpoints.clear();
    expect(await guest.run()).toEqual({ reason: 'halted' });
    expect(hits).toHaveLength(2);
  });

  it('null is no default: neither for kind nor for length', async () => {
    const { guest } = await create();
    const { breakpoints } = guest;
    expect(() => breakpoints.add({ address: 1, kind: null } as never)).toThrow(
      new UserError('breakpoint: kind must be execute or read or write or access, not null'),
    );
    expect(() => breakpoints.add({ address: 1, length: null } as never)).toThrow(UserError);
    expect(breakpoints.list).toEqual([]);
    expect(breakpoints.add({ address: 1, kind: undefined, length: undefined })).toMatchObject({ kind: 'execute' });
  });

  it('outlive a reset', async () => {
    const { guest, hits } = await create();
    guest.breakpoints.add({ address: AGAIN });
    await guest.runTo(100);
    guest.reset();
    await guest.runTo(100);
    expect([guest.state, hits.length]).toEqual(['paused', 2]);
  });

  it('are no more once the guest is disposed, also for whoever kept hold of them', async () => {
    const { guest } = await create();
    const { breakpoints } = guest;
    const breakpoint = breakpoints.add({ address: AGAIN });
    guest.dispose();
    expect(() => guest.breakpoints).toThrow(StateError);
    expect(() => breakpoints.add({ address: 1 })).toThrow(StateError);
    expect(breakpoints.remove(breakpoint)).toBe(false);
    breakpoints.clear();
    expect(breakpoints.list).toEqual([]);
  });
});
