import { describe, expect, it } from 'vitest';
import { assembleDemo } from '../../../src/cli/demo.ts';
import { Host, messagePortDuplex, UserError } from '../../../src/index.ts';

const pair = () => {
  const { port1, port2 } = new MessageChannel();
  return [messagePortDuplex(port1), messagePortDuplex(port2)] as const;
};

describe('a MessagePort as a stream', () => {
  it('is refused for what is none', () => {
    for (const odd of [undefined, {}, 5]) expect(() => messagePortDuplex(odd as never)).toThrow(UserError);
  });

  it('passes bytes in order, and who writes waits for who reads', async () => {
    const [one, other] = pair();
    const [writer, reader] = [one.writable.getWriter(), other.readable.getReader()];
    let written = 0;
    const writing = (async () => {
      for (; written < 40; written++) await writer.write(new Uint8Array(100_000).fill(written));
      await writer.close();
    })();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(written).toBeLessThan(15);
    const seen: number[] = [];
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      expect(read.value).toHaveLength(100_000);
      seen.push(read.value![99_999]!);
    }
    await writing;
    expect(seen).toEqual(Array.from({ length: 40 }, (_, index) => index));
    await other.writable.getWriter().close();
  });

  it('tells the other side of an end with an error', async () => {
    const [one, other] = pair();
    const reader = other.readable.getReader();
    const waits = reader.read();
    await one.writable.getWriter().abort(new Error('no more'));
    await expect(waits).rejects.toThrow('no more');
    await expect(other.writable.getWriter().write(new Uint8Array(1))).rejects.toThrow('no more');
    await other.writable.getWriter().close();
  });

  it('takes a guest from one host to another', async () => {
    const [here, there] = [await Host.create(), await Host.create()];
    const guest = await here.createGuest({ boot: { image: assembleDemo() }, memory: 1 });
    await guest.runTo(30_000);
    const hash = guest.machine.stateHash();
    const [source, destination] = pair();
    const [moved] = await Promise.all([there.receive(destination), guest.migrate(source)]);
    expect(moved.machine.stateHash()).toBe(hash);
    here.dispose();
    there.dispose();
  });
});
