/** No guest can tell how fast its host's disks are: the same states at the same counts over any store, on all engines. */
import { afterAll, describe, expect, it } from 'vitest';
import { createImageOpener } from '../../../src/host/image-opener.ts';
import { createPlatform } from '../../../src/host/platform.ts';
import { Host } from '../../../src/hypervisor/host.ts';
import type { ImageOpener } from '../../../src/hypervisor/media/image-opener.ts';
import type { EngineName } from '../../../src/index.ts';
import { bootImage } from '../../support/bios-machine.ts';
import { pattern } from '../../support/media.ts';

const SIZE = 512 * 1024;
/** The reference evaluator does some 300,000 a second. */
const COUNTS = [1_000, 20_000, 40_000, 60_000, 80_000];

/** By the BIOS: reads sectors from all over the disk, sums them up, and writes the sum back, for ever. */
const PROGRAM = `
  xor ax, ax
  mov ds, ax
  mov es, ax
  mov sp, 0x7000
  xor bp, bp
again:
  mov byte [packet], 16
  mov [packet+2], word 2
  mov [packet+4], word 0x1000
  mov bx, bp
  imul bx, bx, 37
  and bx, 511
  inc bx
  mov [packet+8], bx
  mov si, packet
  mov dx, 0x80
  mov ah, 0x42
  int 0x13
  mov si, 0x1000
  mov cx, 512
sum:
  lodsw
  add [0x1000], ax
  loop sum
  mov si, packet
  mov dx, 0x80
  mov ax, 0x4300
  int 0x13
  inc bp
  jmp again
packet: times 16 db 0`;

const disk = (): Uint8Array => {
  const image = pattern(SIZE);
  image.set(bootImage(PROGRAM, 512));
  return image;
};

/** Each answer comes after up to `most` ms, as chance has it. */
const slowly =
  (opener: ImageOpener, most: number): ImageOpener =>
  async (request) => {
    const image = await opener(request);
    const later = async <Result>(action: () => Result | Promise<Result>): Promise<Result> => {
      await new Promise((resolve) => setTimeout(resolve, Math.random() * most));
      return await action();
    };
    return {
      name: image.name,
      size: image.size,
      readOnly: image.readOnly,
      read: (offset, length) => later(() => image.read(offset, length)),
      write: (offset, bytes) => later(() => image.write(offset, bytes)),
      flush: () => later(() => image.flush()),
      close: () => image.close(),
      abandon: () => image.abandon(),
      saved: () => image.saved(),
    };
  };

const hosts: Host[] = [];
afterAll(async () => {
  for (const host of hosts) await host[Symbol.asyncDispose]();
});

interface Run {
  readonly engine: EngineName;
  readonly openImage?: ImageOpener;
  readonly image?: Uint8Array | Blob;
  readonly sliceMilliseconds?: number;
}

async function hashesOf({ engine, openImage = createImageOpener(), image = disk(), sliceMilliseconds }: Run) {
  const host = new Host({ platform: createPlatform(), openImage, sliceMilliseconds });
  hosts.push(host);
  const guest = await host.createGuest({ disks: [image], memory: 4, engine });
  const hashes: string[] = [];
  for (const count of COUNTS) {
    expect(await guest.runTo(count)).toBe('reached');
    hashes.push(guest.machine.stateHash());
  }
  guest.dispose();
  return hashes;
}

describe('a guest that reads and writes its disk', async () => {
  const expected = await hashesOf({ engine: 'interpreter' });

  it('changes between the counts', () => {
    expect(new Set(expected).size).toBe(COUNTS.length);
  });

  it.each<[string, Partial<Run>]>([
    ['memory', {}],
    ['memory, in short slices', { sliceMilliseconds: 0.1 }],
    ['a Blob, in long slices', { image: new Blob([new Uint8Array(disk())]), sliceMilliseconds: 50 }],
    ['a store that takes up to 3 ms', { openImage: slowly(createImageOpener(), 3) }],
    ['that, in short slices', { openImage: slowly(createImageOpener(), 3), sliceMilliseconds: 0.1 }],
  ])('comes to the same states over %s', async (_, run) => {
    for (const engine of ['interpreter', 'auto', 'reference'] as const)
      expect([engine, await hashesOf({ engine, ...run })]).toEqual([engine, expected]);
  });
});
