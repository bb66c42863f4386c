/** A host's memory runs out: the guest over its share is paused with an event, the others go on. */
import { afterEach, describe, expect, it } from 'vitest';
import { memoryAllowance } from '../../../src/hypervisor/shares/memory-shares.ts';
import { type Guest, Host, UserError } from '../../../src/index.ts';
import { flatBoot } from '../../support/flat-boot.ts';

const MIB = 2 ** 20;

describe('what a guest may hold', () => {
  const guest = (weight: number, memoryInUse: number, pool = { bytesInUse: memoryInUse }) => ({
    weight,
    memoryInUse,
    pool,
  });
  it.each([
    ['all that nobody else holds', [guest(1, 10), guest(1, 30)], 70],
    ['its share, whatever the others hold', [guest(1, 10), guest(1, 90)], 50],
    ['by weight', [guest(3, 10), guest(1, 90)], 75],
    ['alone, all of it', [guest(5, 10)], 100],
  ])('%s', (_, guests, expected) => {
    expect(memoryAllowance(100, guests, guests[0])).toBe(expected);
  });
});

describe('a host with a limit', () => {
  let host: Host;
  afterEach(() => host.dispose());

  /** In protected mode, writes to `mebibytes` MiB from 1 MiB on, then halts. */
  const hungry = (mebibytes: number): Uint8Array =>
    flatBoot(`
      mov edi, 0x100000
      next: mov dword [edi], 1
      add edi, 4096
      cmp edi, ${(1 + mebibytes) * MIB}
      jb next
      hlt`);

  const create = (name: string, mebibytes: number): Promise<Guest> =>
    host.createGuest({ name, boot: { image: hungry(mebibytes) }, memory: 64, engine: 'interpreter' });

  it('pauses the guest that is over its share, and no other; it goes on when there is memory again', async () => {
    // All pages that they write are equal.
    host = await Host.create({ memoryLimit: 32, reclaim: { sharing: false } });
    const [greedy, modest] = [await create('greedy', 40), await create('modest', 12)];
    const events: string[] = [];
    greedy.on('memory', () => events.push('memory'));
    modest.on('memory', () => events.push('modest'));
    const target = 100_000;
    expect(await greedy.runTo(target)).toBe('paused');
    expect([events, greedy.state]).toEqual([['memory'], 'paused']);
    expect(greedy.machine.memoryInUse).toBeLessThan(33 * MIB);
    expect(greedy.machine.memoryInUse).toBeGreaterThan(30 * MIB);
    // Its share is its own.
    expect(await modest.run()).toEqual({ reason: 'halted' });
    expect(modest.machine.memoryInUse).toBeGreaterThan(12 * MIB);
    const before = greedy.instructions;
    expect(await greedy.runTo(target)).toBe('paused');
    expect(greedy.instructions - before).toBeLessThan(50);
    modest.dispose();
    greedy.reset();
    expect(await greedy.runTo(8_000)).toBe('reached');
  });

  it.each([0, 0.5, -1, '64', Number.POSITIVE_INFINITY])('memoryLimit %s is refused', async (memoryLimit) => {
    host ??= await Host.create();
    await expect(Host.create({ memoryLimit: memoryLimit as number })).rejects.toThrow(UserError);
  });
});
